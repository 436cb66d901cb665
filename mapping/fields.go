package mapping

// Kind is what a field takes.
type Kind uint8

// The kinds. Codes and times take numbers too, texts strings alone.
const (
	Text Kind = iota
	Code      // one of the API's numbers, or a name of it
	Time      // an instant
)

// Field is one of the API's parameters that an event carries.
type Field struct {
	Name     string // as in the API
	Title    string // the beginning of what the API document says of it
	Kind     Kind
	Required bool // always; EVENT_REQUIRED_FIELDS can require others
	Personal bool // shown as its first character and length, unless a person asks for all

	codes *codeList // of a Code
	odd   Suspicion // of a Code: what one that it does not have is reported as; "": as nothing
	clock int       // of a Time
}

// kinds are the words for them in an endpoint's table.
var kinds = []string{Text: "text", Code: "code", Time: "time"}

// What times mean here beyond their kind, by their field's name; 0: nothing.
const (
	entering = 1 + iota
	leaving
	operating
)

var clocks = map[string]int{"enter_time": entering, "leave_time": leaving, "operate_time": operating}

// oddCodes are what codes that the API does not have are reported as, by their field's name.
var oddCodes = map[string]Suspicion{"plate_color": UnknownPlateColor, "car_type": UnknownCarType}
