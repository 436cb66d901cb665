package mapping

import (
	"time"
)

// FutureTolerance is how far leave_time and operate_time may be ahead of the record's
// time before the event is suspicious.
const FutureTolerance = 10 * time.Minute

// Map maps the value of a record. at is the time of the record, as far as it can be
// believed, and only decides the suspicion [Future]; zero means unknown. The error is
// always an *[Error]. The Release shares no memory with value.
func (m *Mapper) Map(value []byte, at time.Time) (*Release, error) {
	var e evaluation
	e.doc.judge(value)
	switch {
	case e.doc.fault != nil:
		return nil, e.doc.fault
	case e.doc.badText != nil:
		return nil, e.doc.badText
	case e.doc.duplicate != nil:
		return nil, e.doc.duplicate
	}
	// All that is sent is written one behind the other and becomes one string, of which
	// each field is a part.
	var room [512]byte
	var ends [fieldCount]int
	sent := room[:0]
	for f := range fieldCount {
		start := len(sent)
		var refused *Error
		if sent, refused = e.append(sent, f, m.location); refused != nil {
			return nil, refused
		}
		if len(sent) == start && m.required[f] {
			return nil, &Error{Reason: MissingField, Field: f.name(), Detail: "required, but absent, null or blank", Offset: -1}
		}
		ends[f] = len(sent)
	}
	r := &Release{Suspicions: e.suspicions(at)}
	all, start := string(sent), 0
	for f, end := range ends {
		r.set(field(f), all[start:end])
		start = end
	}
	return r, nil
}

// evaluation is what Map learns of one event.
//
// The bytes that are sent pass through its methods as through the append built in, and
// are no field of it: so the compiler sees that they need not live on the heap.
type evaluation struct {
	doc                   document
	enter, leave, operate int64 // Unix seconds, 0 while absent (no valid time is)
	oddColor, oddCarType  bool  // a code was given that the API does not have
}

// append appends the value that is sent for f, nothing where it is absent. zone is that
// of times that state none.
func (e *evaluation) append(dst []byte, f field, zone *time.Location) ([]byte, *Error) {
	l := e.doc.members[f]
	switch {
	case l.kind == absent:
		return dst, nil
	case f.isText() && l.kind != text:
		return dst, e.refuse(f, WrongType, "not a string")
	case l.kind == other:
		return dst, e.refuse(f, WrongType, "neither a string nor a number")
	}
	switch f {
	case plateColor, carType:
		return e.appendCode(dst, f)
	case enterTime:
		return e.appendTime(dst, f, zone, &e.enter)
	case leaveTime:
		return e.appendTime(dst, f, zone, &e.leave)
	case operateTime:
		return e.appendTime(dst, f, zone, &e.operate)
	}
	return e.appendText(dst, f)
}

func (e *evaluation) appendText(dst []byte, f field) ([]byte, *Error) {
	dst, reason, detail := appendTrimmed(dst, e.doc.data, e.doc.members[f])
	if reason != "" {
		return dst, e.refuse(f, reason, detail)
	}
	return dst, nil
}

// appendRaw appends the trimmed text, or the number as it is written, of a code or time.
func (e *evaluation) appendRaw(dst []byte, f field) ([]byte, *Error) {
	l := e.doc.members[f]
	if l.kind == number {
		return append(dst, e.doc.data[l.from:l.to]...), nil
	}
	return e.appendText(dst, f)
}

func (e *evaluation) appendCode(dst []byte, f field) ([]byte, *Error) {
	start := len(dst)
	dst, refused := e.appendRaw(dst, f)
	raw := dst[start:]
	if refused != nil || len(raw) == 0 {
		return dst, refused
	}
	var code string
	var known bool
	if f == plateColor {
		code, known = plateColorOf(raw)
		e.oddColor = !known
	} else {
		code, known = carTypeOf(raw)
		e.oddCarType = !known
	}
	return append(dst[:start], code...), nil
}

func (e *evaluation) appendTime(dst []byte, f field, zone *time.Location, unix *int64) ([]byte, *Error) {
	start := len(dst)
	dst, refused := e.appendRaw(dst, f)
	raw := dst[start:]
	if refused != nil || len(raw) == 0 {
		return dst, refused
	}
	t, problem := timeOf(raw, zone)
	if problem != "" {
		return dst, e.refuse(f, BadTime, problem)
	}
	*unix = t
	return time.Unix(t, 0).UTC().AppendFormat(dst[:start], time.RFC3339), nil
}

func (e *evaluation) refuse(f field, r Reason, detail string) *Error {
	return &Error{Reason: r, Field: f.name(), Detail: detail, Offset: e.doc.members[f].from}
}

func (e *evaluation) suspicions(at time.Time) (found []Suspicion) {
	if last := max(e.leave, e.operate); last != 0 && !at.IsZero() && time.Unix(last, 0).After(at.Add(FutureTolerance)) {
		found = append(found, Future)
	}
	if e.leave != 0 && e.leave < e.enter {
		found = append(found, LeaveBeforeEnter)
	}
	if e.oddColor {
		found = append(found, UnknownPlateColor)
	}
	if e.oddCarType {
		found = append(found, UnknownCarType)
	}
	return found
}
