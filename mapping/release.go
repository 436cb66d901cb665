package mapping

import (
	"cmp"
	"iter"
	"log/slog"
	"maps"
	"slices"
)

// Release is an abnormal release in the platform's form: the parameters of the API's table
// (docs/platform-api.md) without app_id and sign, as they are sent; "" if not sent.
type Release struct {
	ParkUUID      string // the lot: the platform's UUID of it
	FlowNo        string // number of the change; the platform ignores a lot's repeats
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

	// Suspicions holds each kind once, in the order of [Suspicions].
	Suspicions []Suspicion
}

// ascending is sorted by the bytes of the names, as the platform's signature requires.
var ascending = slices.SortedFunc(maps.Values(fieldsByName), func(a, b field) int { return cmp.Compare(a.name(), b.name()) })

// All yields the names and values of the parameters that are sent, sorted by the bytes of
// the name.
func (r *Release) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		parameters := r.parameters()
		for _, f := range ascending {
			if value := *parameters[f]; value != "" && !yield(f.name(), value) {
				return
			}
		}
	}
}

// parameters returns the values by field.
func (r *Release) parameters() [fieldCount]*string {
	return [fieldCount]*string{
		parkUUID: &r.ParkUUID, flowNo: &r.FlowNo, parkingSerial: &r.ParkingSerial, plate: &r.Plate,
		plateColor: &r.PlateColor, carType: &r.CarType, carDesc: &r.CarDesc,
		enterTime: &r.EnterTime, leaveTime: &r.LeaveTime, operateTime: &r.OperateTime,
		operator: &r.Operator, reason: &r.Reason,
	}
}

// A Release holds personal data: printing or logging one by mistake must show nothing.
const withheld = "mapping.Release{withheld}"

// String withholds the contents.
func (Release) String() string { return withheld }

// GoString withholds the contents.
func (Release) GoString() string { return withheld }

// LogValue withholds the contents.
func (Release) LogValue() slog.Value { return slog.StringValue(withheld) }
