package mapping

import "slices"

// field is one of the API's parameters that an event carries. The order is that of
// the seed document's table, and the order in which faults are reported.
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

// isText tells that f takes strings alone; codes and times take numbers too.
func (f field) isText() bool {
	switch f {
	case plateColor, carType, enterTime, leaveTime, operateTime:
		return false
	}
	return true
}

// fieldOf finds the field with a name exactly as in the API, else unknown. It is a
// switch and not a map because it runs for every key of every event.
func fieldOf(name []byte) field {
	switch string(name) {
	case "park_uuid":
		return parkUUID
	case "flow_no":
		return flowNo
	case "parking_serial":
		return parkingSerial
	case "plate":
		return plate
	case "plate_color":
		return plateColor
	case "car_type":
		return carType
	case "car_desc":
		return carDesc
	case "enter_time":
		return enterTime
	case "leave_time":
		return leaveTime
	case "operate_time":
		return operateTime
	case "operator":
		return operator
	case "reason":
		return reason
	}
	return unknown
}

// Fields returns the names of the twelve fields of an event in the order of the API
// document's table. The first four are required always.
func Fields() []string {
	return slices.Clone(fieldNames[:])
}

// AlwaysRequired returns the names of the four fields without which no event maps:
// park_uuid, flow_no, parking_serial and plate.
func AlwaysRequired() []string {
	return slices.Clone(fieldNames[:plate+1])
}
