package mapping_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/mapping"
)

// short is a text, or the begin of a long one with a sum of the whole.
func short(text string) string {
	if len(text) <= 400 {
		return text
	}
	return fmt.Sprintf("%.60q…%x", text[:60], sha256.Sum256([]byte(text)))
}

// result is all that this package says of a value, and what check says beyond that, in one line.
func result(m *mapping.Mapper, value []byte, at time.Time) string {
	parts := []string{fmt.Sprintf("%q", m.OrderKey(&mapping.Record{Value: value}))}
	if r, err := m.Map(&mapping.Record{Value: value, Time: at}); err != nil {
		parts = append(parts, err.Error())
	} else {
		var sent []string
		for name, text := range r.All() {
			sent = append(sent, fmt.Sprintf("%s=%q", name, text))
		}
		parts = append(parts, strings.Join(sent, " "), fmt.Sprint(r.Suspicions))
	}
	x := examine.Event(m, &mapping.Record{Value: value, Time: at})
	told, _ := json.Marshal(struct { // as it was recorded
		Release  *mapping.Release
		Faults   []examine.Fault
		Ignored  []string
		Absent   []string
		Warnings []examine.Warning
		Encoding examine.Encoding
	}{nil, x.Faults, x.Ignored, x.Absent, x.Warnings, x.Encoding})
	return short(strings.Join(parts, " | ")) + " | " + short(string(told))
}

// The contract of docs/event.md: what was recorded before there was a mapping file. A change here is a change
// for every lane.
func TestTheBuiltInContractIsAsRecorded(t *testing.T) {
	var out strings.Builder
	mappers := []struct {
		name string
		*mapping.Mapper
	}{{"Asia/Shanghai", mapping.MapperIn(t, "Asia/Shanghai")}, {"America/New_York, reason required", mapping.MapperIn(t, "America/New_York", "reason")}}
	values := mapping.Recorded(t)
	slices.SortFunc(values, bytes.Compare)
	for _, value := range slices.CompactFunc(values, bytes.Equal) {
		fmt.Fprintln(&out, short(strconv.Quote(string(value))))
		for _, m := range mappers {
			fmt.Fprintln(&out, "  "+m.name+": "+result(m.Mapper, value, mapping.TypicalAt))
		}
	}
	mapping.CompareGolden(t, "testdata/built-in.golden", out.String())
}
