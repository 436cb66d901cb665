package lanes_test

import (
	"bytes"
	"errors"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/lanes"
	"release-forwarder/mapping"
)

var noon = time.Date(2026, 11, 24, 4, 0, 7, 891e6, time.UTC)

// walk makes events as a day at the gates would, the clock going on.
func walk(cfg lanes.Config, n int) []lanes.Event {
	cfg.Start = noon
	street := lanes.NewStreet(cfg)
	events := make([]lanes.Event, n)
	for i := range events {
		events[i] = street.Next(noon.Add(time.Duration(i) * 20 * time.Millisecond))
	}
	return events
}

func TestAnEventMapsToWhatItSaysThePlatformMustReceive(t *testing.T) {
	for _, e := range walk(lanes.Config{Seed: 1, Spoilt: 0}, 5000) {
		got, err := read(e.Value)
		if err != nil {
			t.Fatalf("cannot be mapped: %v\n%s", err, e.Value)
		}
		if !maps.Equal(got, e.Want) {
			t.Fatalf("mapped to\n%v\nthe simulator claims\n%v\nof %s", got, e.Want, e.Value)
		}
		if e.Lot != got["park_uuid"] || e.Serial != got["parking_serial"] || e.Flow != got["flow_no"] {
			t.Fatalf("event %s/%s/%s holds %s", e.Lot, e.Serial, e.Flow, e.Value)
		}
	}
}

func TestTheLanesWriteEveryFieldOfAnEvent(t *testing.T) {
	written := map[string]bool{}
	for _, e := range walk(lanes.Config{Seed: 1, Spoilt: 0}, 500) {
		for name := range e.Want {
			written[name] = true
		}
	}
	for _, name := range mapping.BuiltIn().Names() {
		if !written[name] {
			t.Errorf("no lane writes %s: write it in parking.next of session.go, and read it in check_test.go", name)
		}
	}
}

func TestASpoiltEventIsRefusedForTheReasonItCarries(t *testing.T) {
	seen := map[string]string{}
	for _, e := range walk(lanes.Config{Seed: 2, Spoilt: 1}, 3000) {
		_, err := read(e.Value)
		if !errors.Is(err, refusal(e.Reason)) {
			t.Fatalf("%s: refused with %v, not %s:\n%s", e.Defect, err, e.Reason, e.Value)
		}
		if e.Want != nil {
			t.Fatalf("%s: yet the platform is to receive %v", e.Defect, e.Want)
		}
		seen[e.Defect] = e.Reason
	}
	reasons := slices.Compact(slices.Sorted(maps.Values(seen)))
	every := []string{
		lanes.ReasonBadText, lanes.ReasonBadTime, lanes.ReasonDuplicateKey, lanes.ReasonEmpty,
		lanes.ReasonInvalidJSON, lanes.ReasonMissingField, lanes.ReasonTooLong, lanes.ReasonWrongType,
	}
	if !slices.Equal(reasons, every) {
		t.Errorf("reasons seen: %v, want each of %v", reasons, every)
	}
}

func TestAFewPerCentAreSpoilt(t *testing.T) {
	spoilt := 0
	for _, e := range walk(lanes.Config{Seed: 3, Spoilt: 0.03}, 10_000) {
		if e.Reason != "" {
			spoilt++
		}
	}
	if spoilt < 200 || spoilt > 400 {
		t.Errorf("%d of 10000 events are spoilt, want about 300", spoilt)
	}
}

func TestFlowNumbersAreUniqueAndParkingsKeepTheirPlate(t *testing.T) {
	flows := map[[2]string]bool{}
	plates, events := map[[2]string]string{}, map[[2]string]int{}
	for _, e := range walk(lanes.Config{Seed: 4}, 5000) {
		flow, parking := [2]string{e.Lot, e.Flow}, [2]string{e.Lot, e.Serial}
		if flows[flow] {
			t.Fatalf("flow number %v twice", flow)
		}
		flows[flow] = true
		events[parking]++
		if was := plates[parking]; was != "" && was != e.Want["plate"] {
			t.Fatalf("parking %v changed its plate", parking)
		}
		plates[parking] = e.Want["plate"]
	}
	several := 0
	for _, n := range events {
		if n > 3 {
			t.Errorf("a parking of %d events", n)
		}
		if n > 1 {
			several++
		}
	}
	if several < len(events)/10 {
		t.Errorf("only %d of %d parkings have several events", several, len(events))
	}
}

func TestEveryFormOfTheContractOccurs(t *testing.T) {
	forms := map[string]*regexp.Regexp{
		"RFC 3339 in UTC":          regexp.MustCompile(`"operate_time":"\d{4}-\d\d-\d\dT[\d:]{8}Z"`),
		"RFC 3339 with an offset":  regexp.MustCompile(`"operate_time":"\d{4}-\d\d-\d\dT[\d:]{8}\+08:00"`),
		"RFC 3339 with a fraction": regexp.MustCompile(`"operate_time":"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}\+08:00"`),
		"local with a space":       regexp.MustCompile(`"operate_time":"\d{4}-\d\d-\d\d [\d:]{8}"`),
		"local with a T":           regexp.MustCompile(`"operate_time":"\d{4}-\d\d-\d\dT[\d:]{8}"`),
		"local with a fraction":    regexp.MustCompile(`"operate_time":"\d{4}-\d\d-\d\d [\d:]{8}\.\d{3}"`),
		"milliseconds, number":     regexp.MustCompile(`"operate_time":\d{13},`),
		"milliseconds, string":     regexp.MustCompile(`"operate_time":"\d{13}"`),
		"14 digits, number":        regexp.MustCompile(`"operate_time":\d{14},`),
		"14 digits, string":        regexp.MustCompile(`"operate_time":"\d{14}"`),
		"colour as a number":       regexp.MustCompile(`"plate_color":-?\d,`),
		"colour as a string":       regexp.MustCompile(`"plate_color":"-?\d"`),
		"colour as a name":         regexp.MustCompile(`"plate_color":"(蓝|green)"`),
		"a colour of no list":      regexp.MustCompile(`"plate_color":"渐变绿"`),
		"car type as a name":       regexp.MustCompile(`"car_type":"贵宾车辆\(免费车\)"`),
		"new-energy plate":         regexp.MustCompile(`"plate":"\p{Han}[A-Z][DF][A-Z0-9]\d{4}"`),
		"blanks around a text":     regexp.MustCompile(`"plate":"\x{3000}`),
		"signs of a form in a text": regexp.MustCompile(
			`"reason":"[^"]*&retry=3`),
		"the required fields only":     regexp.MustCompile(`^\{("(park_uuid|flow_no|parking_serial|plate|reason)":"[^"]*",?)+\}$`),
		"fields the API knows not":     regexp.MustCompile(`"device":\{`),
		"an event without a departure": regexp.MustCompile(`"enter_time":[^,]*,"operate_time"`),
	}
	var keys, nullKeys, traced int
	for _, e := range walk(lanes.Config{Seed: 5}, 5000) {
		for name, form := range forms {
			if form.Match(e.Value) {
				delete(forms, name)
			}
		}
		if keys++; e.Key == nil {
			nullKeys++
		}
		for _, h := range e.Headers {
			if h.Key == "traceparent" && regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).Match(h.Value) {
				traced++
			}
		}
	}
	if len(forms) > 0 {
		t.Errorf("never seen: %v", slices.Sorted(maps.Keys(forms)))
	}
	if nullKeys == 0 || nullKeys > keys/3 {
		t.Errorf("%d of %d keys are null, want a few", nullKeys, keys)
	}
	if traced < keys/3 || traced == keys {
		t.Errorf("%d of %d events carry a traceparent, want most", traced, keys)
	}
}

func TestTheSameSeedGivesTheSameEvents(t *testing.T) {
	one, two := walk(lanes.Config{Seed: 6, Spoilt: 0.1}, 500), walk(lanes.Config{Seed: 6, Spoilt: 0.1}, 500)
	for i := range one {
		if !bytes.Equal(one[i].Value, two[i].Value) || !bytes.Equal(one[i].Key, two[i].Key) {
			t.Fatalf("event %d differs:\n%s\n%s", i, one[i].Value, two[i].Value)
		}
	}
	if other := walk(lanes.Config{Seed: 7}, 1); bytes.Equal(other[0].Value, one[0].Value) {
		t.Error("another seed gives the same event")
	}
}
