package faults_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/faults"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text string
		want faults.Schedule
	}{
		"no faults":              {"", nil},
		"blanks only":            {" , ", nil},
		"a span":                 {"errors@8s+2s", faults.Schedule{{Kind: faults.Errors, Start: 8 * time.Second, Length: 2 * time.Second}}},
		"a span that comes back": {"outage@15s+5s/1m", faults.Schedule{{Kind: faults.Outage, Start: 15 * time.Second, Length: 5 * time.Second, Every: time.Minute}}},
		"one event":              {"poison@3s", faults.Schedule{{Kind: faults.Poison, Start: 3 * time.Second, Count: 1}}},
		"three events, repeated": {"reject*3@500ms/20s", faults.Schedule{{Kind: faults.Reject, Start: 500 * time.Millisecond, Count: 3, Every: 20 * time.Second}}},
		"several": {" timeout@0s ,lost@1s", faults.Schedule{
			{Kind: faults.Timeout, Count: 1}, {Kind: faults.Lost, Start: time.Second, Count: 1},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := faults.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Fatalf("read as %v, want %v", got, test.want)
			}
			again, err := faults.Parse(got.String())
			if err != nil || !slices.Equal(again, got) {
				t.Errorf("written as %q, which reads as %v, %v", got, again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct{ text, says string }{
		"a kind there is not":         {"flood@1s", "no such kind"},
		"no start":                    {"errors", "@START"},
		"a start without a unit":      {"errors@8", "START"},
		"a start before the play":     {"errors@-8s", "START"},
		"a length of nothing":         {"errors@8s+0s", "LENGTH"},
		"no length after the plus":    {"errors@8s+", "LENGTH"},
		"a count of nothing":          {"errors*0@8s", "COUNT"},
		"a count that is no number":   {"errors*x@8s", "COUNT"},
		"both a count and a length":   {"errors*2@8s+1s", "either"},
		"a repeat before the end":     {"errors@8s+2s/2s", "EVERY"},
		"forbid of one event":         {"forbid@8s", "a lot for a while"},
		"a span of poison":            {"poison@8s+2s", "single events"},
		"one wrong entry among right": {"errors@1s, x@2s", `"x@2s"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if s, err := faults.Parse(test.text); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q: %v, %v; want an error that says %s", test.text, s, err, test.says)
			}
		})
	}
}
