package main

import (
	"net/url"
	"testing"
	"time"

	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// All contenders send the same: else their figures could not stand side by side.
func TestTheForwarderAcceptsTheBenchsEventsAsTheLoopsSendThem(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.New(mapping.Config{Location: shanghai, Required: []string{"park_uuid", "flow_no", "parking_serial", "plate"}})
	if err != nil {
		t.Fatal(err)
	}
	release, err := m.Map(&mapping.Record{Value: event(7, large), Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want := signed(map[string]string{
		"park_uuid": "PARK-7", "flow_no": "FLOW-7", "parking_serial": "SERIAL-7", "plate": "粤B12345", "plate_color": "1", "car_type": "1",
		"operator": "张三", "reason": "设备异常", "enter_time": "2026-01-02T03:04:05Z", "leave_time": "2026-01-02T05:04:05Z",
	})
	bare, err := url.ParseQuery(want)
	if err != nil {
		t.Fatal(err)
	}
	var params []upstream.Param
	for name, value := range release.All() {
		if params = append(params, upstream.Param{Name: name, Value: value}); bare.Get(name) != value {
			t.Errorf("%s: %q, the bare loop sends %q", name, value, bare.Get(name))
		}
	}
	if sign := upstream.Sign(params, secret); sign != bare.Get("sign") || len(params)+1 != len(bare) {
		t.Errorf("signed %s and %d parameters, the bare loop %s and %d", sign, len(params), bare.Get("sign"), len(bare)-1)
	}
	text, err := plainForm(event(7, large))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(plain) != len(bare) || plain.Get("flow_no") != "FLOW-7" || plain.Get("car_type") != "1" {
		t.Errorf("the plain loop sends %v", plain)
	}
}
