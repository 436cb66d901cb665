package mapping

import (
	"iter"
	"log/slog"
)

// Release is an abnormal release as the platform takes it: the parameters of the
// API's table but app_id and sign, as they are sent, "" where one is not sent.
type Release struct {
	ParkUUID      string // the lot: the platform's UUID of it
	FlowNo        string // number of the change; a lot's repeats are ignored by the platform
	ParkingSerial string // the lot's own number of this parking
	Plate         string // 车牌号码
	PlateColor    string // 1 blue, 2 yellow, 3 white, 4 black, 5 green, -1 unknown
	CarType       string // 1 temporary, 2 monthly, 3 vip, 4 stored value, 0 other
	CarDesc       string
	EnterTime     string // times: 2006-01-02T15:04:05Z
	LeaveTime     string
	OperateTime   string
	Operator      string
	Reason        string // 放行原因

	// Suspicions holds what is odd, each kind once, in the order of [Suspicions].
	Suspicions []Suspicion
}

// All yields the names and values of the parameters that are sent, ascending by the
// bytes of the name, which is the order that the platform's signature wants.
func (r *Release) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range [...]struct{ name, value string }{
			{"car_desc", r.CarDesc},
			{"car_type", r.CarType},
			{"enter_time", r.EnterTime},
			{"flow_no", r.FlowNo},
			{"leave_time", r.LeaveTime},
			{"operate_time", r.OperateTime},
			{"operator", r.Operator},
			{"park_uuid", r.ParkUUID},
			{"parking_serial", r.ParkingSerial},
			{"plate", r.Plate},
			{"plate_color", r.PlateColor},
			{"reason", r.Reason},
		} {
			if p.value != "" && !yield(p.name, p.value) {
				return
			}
		}
	}
}

// set fills the field that f names.
func (r *Release) set(f field, value string) {
	switch f {
	case parkUUID:
		r.ParkUUID = value
	case flowNo:
		r.FlowNo = value
	case parkingSerial:
		r.ParkingSerial = value
	case plate:
		r.Plate = value
	case plateColor:
		r.PlateColor = value
	case carType:
		r.CarType = value
	case carDesc:
		r.CarDesc = value
	case enterTime:
		r.EnterTime = value
	case leaveTime:
		r.LeaveTime = value
	case operateTime:
		r.OperateTime = value
	case operator:
		r.Operator = value
	case reason:
		r.Reason = value
	}
}

// A Release holds personal data. Printing or logging one by mistake shows nothing.
const withheld = "mapping.Release{withheld}"

// String withholds the contents.
func (Release) String() string { return withheld }

// GoString withholds the contents.
func (Release) GoString() string { return withheld }

// LogValue withholds the contents.
func (Release) LogValue() slog.Value { return slog.StringValue(withheld) }
