package mapping

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// typical is an event as a lane sends it, every field filled.
var typical = []byte(`{"park_uuid":"40e06b24-7320-4a61-8d97-7ebccb364a87","flow_no":"FLOW20210902000001","parking_serial":"PARKINGSERIAL-123456789",` +
	`"plate":"粤BD12345","plate_color":"绿色","car_type":1,"car_desc":"临停/月卡A","enter_time":"2021-09-02T09:36:46.020Z",` +
	`"leave_time":"2021-09-02 18:36:46","operate_time":1630579006020,"operator":"张三","reason":"设备异常"}`)

var typicalAt = time.Date(2021, 9, 2, 10, 36, 50, 0, time.UTC)

func BenchmarkMap(b *testing.B) {
	m := mapperIn(b, "Asia/Shanghai")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(&Record{Value: typical, Time: typicalAt}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIdentify(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if lot, _ := identify(typical); lot == "" {
			b.Fatal("no lot")
		}
	}
}

// hostile are values of one megabyte that hold an event and junk.
func hostile() map[string][]byte {
	const size = 1 << 20
	fill := func(format, unit string) []byte {
		return event(strings.Replace(format, "@", strings.Repeat(unit, size/len(unit)), 1))
	}
	keys := func(key string) []byte {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, key+":0,", i)
		}
		return event(b.String() + `"end":0`)
	}
	return map[string][]byte{
		"nesting that is never closed": fill(`"x":@`, "["),
		"objects that nest":            fill(`"x":@`, `{"":`),
		"many short lists":             fill(`"x":[@0]`, "[],"),
		"a long string":                fill(`"x":"@"`, "x"),
		"a long string of Chinese":     fill(`"x":"@"`, "车"),
		"a string of escapes":          fill(`"x":"@"`, `\ud83d\ude97`),
		"a plate of escapes":           fill(`"plate_color":"@"`, `\n`),
		"a reason too long":            fill(`"reason":"@"`, "车"),
		"a long number":                fill(`"x":1@`, "0"),
		"a code of many digits":        fill(`"car_type":1@`, "0"),
		"white space":                  fill(`@"x":0`, " \t\n\r"),
		"many keys":                    keys(`"%x"`),
		"many escaped keys":            keys(`"\n%x"`),
		"bad UTF-8":                    fill(`"x":"@"`, "\xff"),
		"a lot of escapes":             []byte(`{"park_uuid":"` + strings.Repeat(`\n`, size/2) + `"}`),
	}
}

func BenchmarkHostileMegabyte(b *testing.B) {
	m := mapperIn(b, "Asia/Shanghai")
	for name, value := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			for b.Loop() {
				_, _ = m.Map(&Record{Value: value, Time: typicalAt})
				_, _ = identify(value)
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	release := mustMap(t, m, typical)
	hello := []byte("hello")
	for _, c := range []struct {
		name string
		max  float64
		run  func()
	}{
		{"Map: the release, the reader, and one or two strings for a field", 16, func() { _, _ = m.Map(&Record{Value: typical, Time: typicalAt}) }},
		{"Identify: the reader and two strings", 3, func() { _, _ = identify(typical) }},
		{"Identify of what is no event: the reader and why it is none", 3, func() { _, _ = identify(hello) }},
		{"All", 0, func() {
			for range release.All() {
			}
		}},
	} {
		if got := testing.AllocsPerRun(100, c.run); got > c.max {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.max)
		}
	}
}

// A hostile value costs at most memory in proportion to its length, whether it is ignored,
// refused or sent. Most cost very little; only keys must be remembered.
func TestHostileMegabytesAreBounded(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for name, value := range hostile() {
		for part, run := range map[string]func(){
			"Map":      func() { _, _ = m.Map(&Record{Value: value, Time: typicalAt}) },
			"Identify": func() { _, _ = identify(value) },
		} {
			limit := 3.1 // copies while escapes are resolved or a number is read
			if strings.HasSuffix(name, "keys") {
				limit = 16
			}
			if part == "Identify" && name != "a lot of escapes" {
				limit = 0.1 // it keeps two short texts and a stack
			}
			if got := allocated(run) / float64(len(value)); got > limit {
				t.Errorf("%s: %s allocates %.2f bytes for each byte, want at most %v", name, part, got, limit)
			}
		}
	}
}

// So does what is explained of it.
func TestExplanationsAreBounded(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for name, value := range hostile() {
		if got := allocated(func() { m.Explain(&Record{Value: value, Time: typicalAt}) }) / float64(len(value)); got > 8 {
			t.Errorf("%s: %.2f bytes for each byte, want at most 8", name, got)
		}
	}
}

// allocated is how many bytes run allocates.
func allocated(run func()) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	run() // allocate what is made once
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}
