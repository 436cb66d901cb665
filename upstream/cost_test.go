package upstream

import "testing"

// ordinary is a release as the mapping gives it, every field filled.
var ordinary = []Param{
	{"car_desc", "临停/月卡A"}, {"car_type", "1"}, {"enter_time", "2021-09-02T09:36:46Z"}, {"flow_no", "FLOW20210902000001"},
	{"leave_time", "2021-09-02T10:36:46Z"}, {"operate_time", "2021-09-02T10:36:46Z"}, {"operator", "张三"},
	{"park_uuid", "40e06b24-7320-4a61-8d97-7ebccb364a87"}, {"parking_serial", "PARKINGSERIAL-123456789"}, {"plate", "粤BD12345"},
	{"plate_color", "5"}, {"reason", "设备异常"},
}

const ordinarySign = "C983693C5F603AEF30514920FA3158FF"

func BenchmarkEncode(b *testing.B) {
	for _, e := range []Encoding{Form, Multipart} {
		b.Run(string(e), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.encode(ordinary, ordinarySign)
			}
		})
	}
}

// BenchmarkSignOrdinary is what a delivery does before it encodes: adding the client's
// parameters, and the signature.
func BenchmarkSignOrdinary(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		signCanonical(withAppID(ordinary, "op88641899bd20661"), "XXX")
	}
}

func TestAllocations(t *testing.T) {
	answer := []byte(`{"code":"1001","message":"OK","seqno":"abc6c253b93cc940","data_node":"CN-South/HS3-1"}`)
	sorted := withAppID(ordinary, "op88641899bd20661")
	for _, c := range []struct {
		name string
		max  float64
		run  func()
	}{
		{"app_id among the parameters: their list", 1, func() { withAppID(ordinary, "op88641899bd20661") }},
		{"no app_id: the list", 1, func() { withAppID(ordinary, "") }},
		{"signing: the signature", 1, func() { signCanonical(sorted, "XXX") }},
		{"encoding a form: the body", 1, func() { Form.encode(sorted, ordinarySign) }},
		{"reading an answer: its texts", 4, func() { _, _ = parseReply(answer) }},
	} {
		if got := testing.AllocsPerRun(100, c.run); got > c.max {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.max)
		}
	}
}
