package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// signedWith makes the platform check each lot's signature with a secret of its
// own.
func (w *world) signedWith(secretOf func(lot string) string) {
	w.Platform.Script(func(r *platform.Request) *platform.Reply {
		var params []upstream.Param
		for name, value := range r.Params {
			if name != "sign" {
				params = append(params, upstream.Param{Name: name, Value: value})
			}
		}
		if upstream.Sign(params, secretOf(r.Params["park_uuid"])) == r.Params["sign"] {
			return &platform.Reply{Status: 200, Body: `{"code":"1001"}`}
		}
		hint, _ := json.Marshal(upstream.StringToSign(params, "***"))
		return &platform.Reply{Status: 401, Body: `{"code":"401","hint":` + string(hint) + `}`}
	})
}

// A changed entry of the credentials file affects its lot alone; a broken file changes nothing.
func TestAChangedEntryTouchesOnlyItsLot(t *testing.T) {
	const before = `{"a":{"app_id":"op-a","app_secret":"one-nobody-sees"},"b":{"app_secret":"two-nobody-sees"},"*":{"app_secret":"three-nobody-sees"}}`
	file := apptest.MountFile(t, before)
	inVirtualTime(t, 1, func(w *world) {
		var ofB atomic.Value
		ofB.Store("two-nobody-sees")
		w.signedWith(func(lot string) string {
			return map[string]string{"a": "one-nobody-sees", "b": ofB.Load().(string), "c": "three-nobody-sees"}[lot]
		})
		r := w.Start("UPSTREAM_APP_SECRET", "", "UPSTREAM_CREDENTIALS_FILE", file.Name())
		n := 0
		all := func() {
			n++
			w.Produce(0, apptest.EventOfLot("a", 2*n), apptest.EventOfLot("b", 2*n), apptest.EventOfLot("c", 2*n))
			time.Sleep(time.Second)
		}
		for range 10 {
			all()
		}
		ofB.Store("four-nobody-sees") // the platform's has changed
		for range 60 {
			all()
		}
		if lots := r.Snapshot().RefusedLots; len(lots) != 1 || lots[0].Lot != "b" {
			t.Errorf("refused lots %v", lots)
		}
		file.Swap("{") // half written: the last good stays in force
		for range 10 {
			all()
		}
		var page bytes.Buffer
		if err := json.NewEncoder(&page).Encode(r.Status()); err != nil {
			t.Fatal(err)
		}
		file.Swap(strings.Replace(before, "two-", "four-", 1))
		w.Until("the recovered lot's", func() bool { return w.Committed(0) == int64(3*n) }, 10*time.Second)
		for _, lot := range []string{"a", "c"} {
			if accepted, refused := w.AnswersOf(lot); accepted != n || refused != 0 {
				t.Errorf("lot %s: %d accepted, %d refused", lot, accepted, refused)
			}
		}
		if accepted, _ := w.AnswersOf("b"); accepted != n {
			t.Errorf("lot b: %d accepted of %d", accepted, n)
		}
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters", n)
		}
		log := w.Log.String()
		for _, line := range []string{"file cannot be reloaded", "lot refused", `"explanation":"both strings to sign are the same`} {
			if !strings.Contains(log, line) {
				t.Errorf("the log lacks %s", line)
			}
		}
		if strings.Contains(log+page.String(), "nobody-sees") || !strings.Contains(page.String(), `"lot":"a","app_id":"op-a"`) {
			t.Errorf("a secret is shown, or a lot is not: %s", page.String())
		}
	})
}

// A secret is rotated under load without a repeat, a gap or a dead letter.
func TestASecretRotatedUnderLoadCostsNothing(t *testing.T) {
	file := apptest.MountFile(t, "old-secret\nnew-secret\n")
	inVirtualTime(t, 2, func(w *world) {
		var now atomic.Value
		now.Store("old-secret")
		w.signedWith(func(string) string { return now.Load().(string) })
		r := w.Start("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", file.Name())
		const rounds = 60
		for n := range rounds {
			for i := range 50 {
				w.Produce(int32(i%2), apptest.EventOfLot(fmt.Sprintf("lot-%d", i%10), 1000*n+2*i))
			}
			time.Sleep(time.Second)
			switch n {
			case 20:
				now.Store("new-secret") // the platform changes
			case 40:
				file.Swap("new-secret\n") // the operator tidies up
			}
		}
		w.Until("all", w.AllCommitted(2, 25*rounds), 5*time.Second)
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters", n)
		}
		var times []time.Time
		flows := map[platform.Flow]int{}
		for _, q := range w.Platform.Requests() {
			if q.Code == "1001" {
				times = append(times, q.At)
				flows[q.Flow()]++
			}
		}
		if len(flows) != 50*rounds || len(times) != len(flows) {
			t.Errorf("%d accepted of %d events: %d repeats", len(flows), 50*rounds, len(times)-len(flows))
		}
		slices.SortFunc(times, time.Time.Compare)
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap > 2500*time.Millisecond {
				t.Errorf("nothing accepted for %s", gap)
			}
		}
	})
}

// Where the platform signed a field that was not sent, the log and doctor name the field.
func TestAnExplanationNamesEveryField(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		signed := strings.Join(mapping.BuiltIn().Names(), "=x&") + "=x&lane_no=x&app_secret=***"
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			return &platform.Reply{Status: 401, Body: `{"code":"401","hint":"` + signed + `"}`}
		})
		r := w.Start()
		w.Produce(0, `{"park_uuid":"P1","flow_no":"F1","parking_serial":"S1","plate":"粤B12345"}`)
		time.Sleep(time.Second)
		report, _, err := w.examined(w.T.Context(), cli.DoctorCommand{Platform: true, Lot: "lot-1"}, w.Net.Dial)
		if err == nil {
			t.Error("the doctor finds nothing wrong")
		}
		w.Platform.Script(nil)
		w.End(r)
		for where, text := range map[string]string{"the log": w.Log.String(), "the doctor": report} {
			for _, name := range mapping.BuiltIn().Names() {
				if f, _ := mapping.BuiltIn().Field(name); !f.Required && !strings.Contains(text, name+": not sent by us") {
					t.Errorf("%s does not say that %s was not sent:\n%s", where, name, text)
				}
			}
			if strings.Contains(text, "lane_no") {
				t.Errorf("%s names what is no parameter of the API", where)
			}
		}
	})
}
