package plot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// elements counts an SVG's elements by name, and fails where it is no XML.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return seen
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if e, is := token.(xml.StartElement); is {
			seen[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Fatalf("%s %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestBarsLeaveOutWhatIsNotThere(t *testing.T) {
	svg := Bars("a < b", "records/s", []string{"one", "two"}, []Group{
		{"0 ms\n6 partitions", []Bar{{10, 9, 12}, {math.NaN(), math.NaN(), math.NaN()}}},
		{"20 ms", []Bar{{5, 5, 5}, {0, 0, 0}}},
	})
	seen := elements(t, svg)
	if bars := seen["rect"] - 1 - 2; bars != 3 { // but for the ground and the legend
		t.Errorf("%d bars", bars)
	}
	if !strings.Contains(svg, "a &lt; b") || !strings.Contains(svg, ">6 partitions<") {
		t.Error(svg)
	}
}

func TestTheHighestBarFillsTheField(t *testing.T) {
	// 0 at the bottom, the highest value a twentieth below the top.
	s := scale{0, 105, height - bottom, top, false}
	if got := s.at(0); got != height-bottom {
		t.Error(got)
	}
	if got, want := s.at(100), height-bottom-(height-bottom-top)*100.0/105; math.Abs(got-want) > 1e-9 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLinesStandOnBothKindsOfScale(t *testing.T) {
	for _, log := range []bool{false, true} {
		for _, lines := range [][]Line{
			{{"p50", []float64{1, 2, 3}, []float64{0.5, math.NaN(), 200}}, {"p99", []float64{1}, []float64{3}}},
			{{"nothing", nil, nil}}, {{"zero", []float64{1, 2}, []float64{0, 0}}}, nil,
		} {
			if seen := elements(t, Lines("t", "ms", "load", log, lines)); seen["polyline"] != len(lines) {
				t.Errorf("%d lines, want %d", seen["polyline"], len(lines))
			}
		}
	}
}

func TestTicksAreRound(t *testing.T) {
	for _, c := range []struct {
		s    scale
		want string
	}{
		{scale{0, 105, 0, 1, false}, "[0 20 40 60 80 100]"},
		{scale{0, 40000, 0, 1, false}, "[0 10000 20000 30000 40000]"},
		{scale{0.1, 100, 0, 1, true}, "[0.1 1 10 100]"},
	} {
		if got := fmt.Sprint(c.s.ticks()); got != c.want {
			t.Errorf("%+v: %s, want %s", c.s, got, c.want)
		}
	}
}
