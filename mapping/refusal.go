package mapping

import "fmt"

// Reason says why an event cannot be mapped. The words are stable: the dead letter's
// header `reason` and metrics use them.
type Reason string

const (
	// Empty: the record has no value, or only JSON white space.
	Empty Reason = "empty"
	// InvalidJSON: the value is not one JSON object (RFC 8259), begins with a BOM,
	// continues after the object or nests deeper than MaxDepth.
	InvalidJSON Reason = "invalid-json"
	// DuplicateKey: the object has a key twice at its top level.
	DuplicateKey Reason = "duplicate-key"
	// BadText: bad UTF-8 or an unpaired surrogate escape anywhere, or U+0000 in a field of the API.
	BadText Reason = "bad-text"
	// MissingField: a required field is absent, null or blank.
	MissingField Reason = "missing-field"
	// WrongType: a field of the API holds a JSON type it does not take.
	WrongType Reason = "wrong-type"
	// BadTime: a time that has no known form, does not exist, or is out of bounds.
	BadTime Reason = "bad-time"
	// TooLong: a field's text is longer than MaxTextLength.
	TooLong Reason = "too-long"
	// UnknownCode: a code that the mapping file has neither listed nor an `otherwise` for.
	UnknownCode Reason = "unknown-code"
	// NoProfile: no profile of the mapping file fits the record.
	NoProfile Reason = "no-profile"
)

// Reasons returns every Reason, for counters that start at 0.
func Reasons() []Reason {
	return []Reason{Empty, InvalidJSON, DuplicateKey, BadText, MissingField, WrongType, BadTime, TooLong, UnknownCode, NoProfile}
}

// Error refuses an event for good. It holds nothing of the record's contents, so it
// may be logged and written to headers.
type Error struct {
	Reason Reason
	// Field is the API's name of the wrong field; "" if the event as a whole is wrong,
	// or a part that is not in a field of the API.
	Field string
	// Detail is one of [Details], which says more than Reason. It holds no value.
	Detail string
	// Offset is the place of the fault, in bytes from the start of the value: the first
	// wrong byte, or the start of the wrong string, key or field. -1 if there is no such
	// place (empty, missing-field).
	Offset int
}

// Details returns every phrase of [Error.Detail], for those who say it in another language.
func Details() []string {
	return []string{
		noValue, noObject, notJSON, cutOff, trailingData, tooDeep, notText, keyTwice,
		noString, noScalar, noDigits, noCode, holdsNUL, longText, requiredField,
		noTimeForm, noSuchTime, gapTime, outOfBounds,
		noProfileFits, noEvent, noBytes,
	}
}

// Ignored is the error of [Mapper.Map] for a record that a profile says to ignore: it is
// neither sent nor refused.
type Ignored struct {
	Profile string
}

func (i *Ignored) Error() string { return "ignored by the profile " + i.Profile }

// Error returns a text like "bad-time: leave_time: second 60 (byte 118)".
func (e *Error) Error() string {
	text := string(e.Reason)
	for _, part := range []string{e.Field, e.Detail} {
		if part != "" {
			text += ": " + part
		}
	}
	if e.Offset >= 0 {
		text += fmt.Sprintf(" (byte %d)", e.Offset)
	}
	return text
}

// Suspicion is something strange in an event that is sent nevertheless. The words are
// stable: they are the label `kind` of a metric.
type Suspicion string

const (
	// Future: leave_time or operate_time is more than FutureTolerance after the
	// record's time: a lane's zone or clock is wrong.
	Future Suspicion = "future"
	// LeaveBeforeEnter: leave_time is before enter_time.
	LeaveBeforeEnter Suspicion = "leave-before-enter"
	// UnknownPlateColor: plate_color was a number or name that the API does not know, and is sent as -1.
	UnknownPlateColor Suspicion = "unknown-plate-color"
	// UnknownCarType: car_type was a number or name that the API does not know, and is sent as 0.
	UnknownCarType Suspicion = "unknown-car-type"
)

// Suspicions returns every Suspicion, for counters that start at 0.
func Suspicions() []Suspicion {
	return []Suspicion{Future, LeaveBeforeEnter, UnknownPlateColor, UnknownCarType}
}
