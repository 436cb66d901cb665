package mapping

import "slices"

// field is one of the API's parameters that an event carries. The order is that of
// the API's table (docs/platform-api.md), and the order in which faults are reported.
type field uint8

const (
	parkUUID field = iota
	flowNo
	parkingSerial
	plate
	plateColor
	carType
	carDesc
	enterTime
	leaveTime
	operateTime
	operator
	reason
	fieldCount

	// unknown stands for a key that is not the API's.
	unknown = fieldCount
)

var fieldNames = [fieldCount]string{
	parkUUID:      "park_uuid",
	flowNo:        "flow_no",
	parkingSerial: "parking_serial",
	plate:         "plate",
	plateColor:    "plate_color",
	carType:       "car_type",
	carDesc:       "car_desc",
	enterTime:     "enter_time",
	leaveTime:     "leave_time",
	operateTime:   "operate_time",
	operator:      "operator",
	reason:        "reason",
}

// name is the API's name of f, "" for unknown.
func (f field) name() string {
	if f >= fieldCount {
		return ""
	}
	return fieldNames[f]
}

// isText reports whether f takes only strings; codes and times take numbers too.
func (f field) isText() bool {
	switch f {
	case plateColor, carType, enterTime, leaveTime, operateTime:
		return false
	}
	return true
}

// fieldsByName finds fields by their exact names.
var fieldsByName = func() map[string]field {
	byName := map[string]field{}
	for f, name := range fieldNames {
		byName[name] = field(f)
	}
	return byName
}()

// fieldOf returns the field with a name, or unknown.
func fieldOf(name string) field {
	if f, ok := fieldsByName[name]; ok {
		return f
	}
	return unknown
}

// Fields returns the names of the twelve fields of an event, in the order of the API's
// table (docs/platform-api.md). The first four are always required.
func Fields() []string {
	return slices.Clone(fieldNames[:])
}

// AlwaysRequired returns the names of the four fields that every event needs:
// park_uuid, flow_no, parking_serial and plate.
func AlwaysRequired() []string {
	return slices.Clone(fieldNames[:plate+1])
}
