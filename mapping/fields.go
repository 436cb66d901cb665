package mapping

import (
	"math"
	"slices"
)

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
}

// kinds are the words for them in an endpoint's table.
var kinds = map[string]Kind{"text": Text, "code": Code, "time": Time}

// table is the one list of the fields. All else that lists them is made from it, or a test
// holds it to this one (fields_test.go). The order is that of the API document's table, and
// the order in which faults are reported.
var table = endpoint.Fields

// field is a place in the table.
type field uint8

// fieldCount is how many there are.
var fieldCount = field(len(table))

// unknown stands for a key that is not the API's.
const unknown = field(math.MaxUint8)

// several stands for a value that is read for more than one field.
const several = unknown - 1

// The fields that mean something here beyond their kind.
var (
	parkUUID, parkingSerial           = named("park_uuid"), named("parking_serial")
	enterTime, leaveTime, operateTime = named("enter_time"), named("leave_time"), named("operate_time")
)

// named finds a field that the table must have.
func named(name string) field {
	f := fieldOf(name)
	if f == unknown {
		panic("mapping: the table has no field " + name)
	}
	return f
}

// name is the API's name of f, "" for unknown and several.
func (f field) name() string {
	if f >= fieldCount {
		return ""
	}
	return table[f].Name
}

// fieldsByName finds fields by their names exactly as in the API.
var fieldsByName = func() map[string]field {
	byName := map[string]field{}
	for f := range fieldCount {
		byName[f.name()] = f
	}
	return byName
}()

// fieldOf finds the field with a name, else unknown.
func fieldOf(name string) field {
	if f, ok := fieldsByName[name]; ok {
		return f
	}
	return unknown
}

// FieldOf finds the field with a name, exactly as in the API.
func FieldOf(name string) (f Field, known bool) {
	at := fieldOf(name)
	if at == unknown {
		return Field{}, false
	}
	return table[at], true
}

// Fields returns the names of an event's fields in the order of the API document's table.
func Fields() []string { return names(table) }

// AlwaysRequired returns the names of the fields without which no event maps: park_uuid,
// flow_no, parking_serial and plate.
func AlwaysRequired() []string {
	return names(slices.DeleteFunc(slices.Clone(table), func(f Field) bool { return !f.Required }))
}

func names(fields []Field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.Name
	}
	return all
}
