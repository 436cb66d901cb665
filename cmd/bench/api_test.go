package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// send posts a release to the double and gives the answer's body.
func send(d *double, flow string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("car_type=1&flow_no="+flow+"&plate=x")))
	return w
}

func TestTheAPITellsHowLongAReleaseWasOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDouble(20*time.Millisecond, false)
		d.mark = 2
		p := paceOf{time.Now(), 2, time.Second}
		for i := range int64(4) {
			flow := p.flow(i) // due every half a second, the first two to warm up
			time.Sleep(3 * time.Millisecond)
			if w := send(d, flow); !strings.Contains(w.Body.String(), `"1001"`) {
				t.Fatal(w.Body)
			}
		}
		a := d.account()
		var waits []time.Duration
		for _, r := range a.Arrivals {
			waits = append(waits, time.Duration(r.At-r.Due))
		}
		if a.Count != 4 || fmt.Sprint(waits) != "[3ms 3ms]" {
			t.Errorf("%d accepted, waits %v", a.Count, waits)
		}
		if a.Busy != int64(80*time.Millisecond) {
			t.Errorf("busy for %s", time.Duration(a.Busy))
		}
		if took := time.Duration(a.Last - a.Marked); took != time.Second {
			t.Errorf("second to last acceptance: %s", took)
		}
		if took := time.Duration(a.Last - a.First); took != 1520*time.Millisecond {
			t.Errorf("first arrival to last acceptance: %s", took)
		}
		if a.Tenths[0] != 1 || a.Tenths[5] != 1 || a.Tenths[10] != 1 {
			t.Errorf("tenths %v", a.Tenths)
		}
	})
}

func TestTheAPIIsDownAndRefusesAsItIsTold(t *testing.T) {
	d := newDouble(0, true)
	if w := send(d, "FLOW-1"); w.Code != http.StatusBadGateway {
		t.Error("down:", w.Code)
	}
	d.handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/up", nil))
	if w := send(d, "FLOW-1"); w.Code != http.StatusOK {
		t.Error("up:", w.Code)
	}
	if w := send(d, refused+"-1"); !strings.Contains(w.Body.String(), `"500"`) {
		t.Error("refused:", w.Body)
	}
	if a := d.account(); a.Count != 1 || a.Refused != 1 || len(a.Arrivals) != 0 {
		t.Errorf("%+v", a)
	}
}
