package admin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var started = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// sample is a service in the middle of an outage.
func sample() Status {
	return Status{
		State: "The platform does not answer; one attempt a second.", Level: LevelWaiting,
		Version: "v1.2.3", Group: "lots", Now: started.Add(90 * time.Second), Started: started,
		Partitions: []Partition{{
			Topic: "releases", Partition: 3, Committed: 100, Position: 120, End: 150, Lag: 50, Pending: 20, Held: 2, Paused: "records",
		}, {Topic: "releases", Partition: 4, Committed: Unknown, Position: 7, End: Unknown, Lag: Unknown}},
		Platform: Platform{
			Circuit: "open", Since: started.Add(time.Minute), InFlight: 1, InFlightLimit: 64,
			LastRefusal: &Refusal{At: started, Verdict: "failed", Code: "503", Seqno: "abc6c253b93cc940", TraceID: "0af7651916cd43dd8448eb211c80319c"},
		},
		Held: []Held{
			{Topic: "releases", Partition: 3, Offset: 101, Attempts: 4, Next: started.Add(2 * time.Minute), Reason: "failed", TraceID: "0af7"},
			{Topic: "releases", Partition: 3, Offset: 105, Attempts: 1, Reason: "timeout"},
		},
		HeldTotal:          2,
		DeadLetters:        []DeadLetters{{Stage: "mapping", Reason: "bad-time", Count: 17}},
		DeadLettersWaiting: 1,
		Settings:           []Setting{{Name: "UPSTREAM_APP_SECRET", Value: "***"}},
	}
}

func answers(ok bool, why string) func() (bool, string) {
	return func() (bool, string) { return ok, why }
}

func sampleHandler() http.Handler {
	return NewHandler(Sources{
		Live:    answers(true, "turning"),
		Ready:   answers(false, "waiting for the group's coordinator"),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metric 1\n") }),
		Status:  sample,
	})
}

func do(h http.Handler, method, path string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEachPathAnswersReadersOnly(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		contentType  string
	}{
		{"GET", "/livez", 200, "text/plain"},
		{"HEAD", "/livez", 200, "text/plain"},
		{"GET", "/readyz", 503, "text/plain"},
		{"GET", "/metrics", 200, ""},
		{"GET", "/", 200, "text/html"},
		{"HEAD", "/", 200, "text/html"},
		{"GET", "/status.json", 200, "application/json"},
		{"GET", "/status.json?x=1", 200, "application/json"},
		{"POST", "/livez", 405, "text/plain"},
		{"POST", "/readyz", 405, "text/plain"},
		{"PUT", "/metrics", 405, "text/plain"},
		{"POST", "/", 405, "text/plain"},
		{"DELETE", "/status.json", 405, "text/plain"},
		{"OPTIONS", "/", 405, "text/plain"},
		{"GET", "/unknown", 404, "text/plain"},
		{"GET", "/livez/", 404, "text/plain"},
		{"GET", "/debug/pprof/", 404, "text/plain"},
		{"POST", "/unknown", 404, "text/plain"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			r := do(sampleHandler(), c.method, c.path)
			if r.StatusCode != c.status {
				t.Errorf("status %d, want %d", r.StatusCode, c.status)
			}
			if got := r.Header.Get("Content-Type"); !strings.HasPrefix(got, c.contentType) {
				t.Errorf("Content-Type %q, want %q", got, c.contentType)
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			csp := r.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") ||
				strings.Count(csp, "script-src") != 1 || !strings.Contains(csp, "script-src 'sha256-"+hash(pageScript)+"';") {
				t.Errorf("policy lets other scripts run than the page's own: %q", csp)
			}
			if c.status == 405 && r.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow %q", r.Header.Get("Allow"))
			}
		})
	}
}

func TestProbeSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name   string
		ok     bool
		why    string
		status int
		body   string
	}{
		{"live with a word", true, "turning", 200, "turning\n"},
		{"live without a word", true, "", 200, "ok\n"},
		{"not live", false, "the engine has not turned for 31s", 503, "the engine has not turned for 31s\n"},
		{"not live without a word", false, "", 503, "not ok\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := NewHandler(Sources{Live: answers(c.ok, c.why), Ready: answers(c.ok, c.why)})
			for _, path := range []string{"/livez", "/readyz"} {
				r := do(h, "GET", path)
				if body := bodyOf(t, r); r.StatusCode != c.status || body != c.body {
					t.Errorf("%s: %d %q, want %d %q", path, r.StatusCode, body, c.status, c.body)
				}
			}
		})
	}
}

func TestLiveAndReadyAreAskedApart(t *testing.T) {
	h := sampleHandler()
	if r := do(h, "GET", "/livez"); r.StatusCode != 200 {
		t.Errorf("livez %d although only readiness is missing", r.StatusCode)
	}
	if r := do(h, "GET", "/readyz"); r.StatusCode != 503 {
		t.Errorf("readyz %d although not ready", r.StatusCode)
	}
}

func TestPageShowsTheSnapshot(t *testing.T) {
	body := bodyOf(t, do(sampleHandler(), "GET", "/"))
	for _, want := range []string{
		`<div id="banner" role="status"><p class="banner waiting"><span aria-hidden="true">…</span> The platform does not answer; one attempt a second.</p></div>`,
		`<html lang="en">`, `name="viewport"`, "color-scheme: light dark",
		"lots", "v1.2.3", "<dd>1m</dd>", "releases", "paused: records", "1 of 64", "open since 2026-03-01 08:01:00Z",
		"code 503", "seqno abc6c253b93cc940", "trace 0af7651916cd43dd8448eb211c80319c",
		"releases/3/101", "2026-03-01 08:02:00Z", "in its turn", "2 in all", "bad-time", "17",
		"<strong>1</strong> not taken by the dead-letter topic", "UPSTREAM_APP_SECRET", "***", `<td class="n">–</td>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(body, "<script") != 1 || !strings.Contains(body, "<script>"+pageScript+"</script>") {
		t.Error("the page has another script than its own, or the browser sees its own with another hash")
	}
	if strings.Contains(body, "-1<") {
		t.Error("an unknown offset is shown as a number")
	}
}

func TestStyleIsTheOneThePolicyNames(t *testing.T) {
	body := bodyOf(t, do(sampleHandler(), "GET", "/"))
	_, rest, _ := strings.Cut(body, "<style>")
	style, _, found := strings.Cut(rest, "</style>")
	if !found || style != pageStyle {
		t.Errorf("the browser sees a style of another hash:\n%s", style)
	}
}

func TestPageIsWholeForAServiceThatHasJustStarted(t *testing.T) {
	h := NewHandler(Sources{Status: func() Status { return Status{State: "Waiting for Kafka.", Level: LevelWaiting} }})
	r := do(h, "GET", "/")
	if body := bodyOf(t, r); r.StatusCode != 200 || !strings.HasSuffix(strings.TrimSpace(body), "</html>") || !strings.Contains(body, "None.") {
		t.Errorf("%d %s", r.StatusCode, body)
	}
}

func TestValuesAreEscaped(t *testing.T) {
	const hostile = `"><script>alert(1)</script>&'`
	s := Status{
		State: hostile, Level: Level(hostile), Version: hostile, Group: hostile,
		Partitions:  []Partition{{Topic: hostile, Paused: hostile}},
		Platform:    Platform{Circuit: hostile, LastRefusal: &Refusal{Verdict: hostile, Code: hostile, Seqno: hostile, TraceID: hostile}},
		Held:        []Held{{Topic: hostile, Reason: hostile, TraceID: hostile}},
		DeadLetters: []DeadLetters{{Stage: hostile, Reason: hostile}},
		Settings:    []Setting{{Name: hostile, Value: hostile}},
		RefusedLots: []RefusedLot{{Lot: hostile}},
	}
	for _, condition := range []Condition{{}, {Kind: Kind(hostile)}, {Kind: LotsRefused, Name: hostile}} {
		s.Condition = condition
		h := NewHandler(Sources{Status: func() Status { return s }})
		for _, path := range []string{"/", "/status.json"} {
			body := strings.ReplaceAll(bodyOf(t, do(h, "GET", path)), "<script>"+pageScript+"</script>", "")
			if strings.Contains(body, "<script") || strings.Contains(body, "alert(1)</") {
				t.Errorf("%s: a value got out of its place:\n%s", path, body)
			}
		}
	}
}

func TestStatusJSONIsTheSnapshot(t *testing.T) {
	var got Status
	if err := json.NewDecoder(do(sampleHandler(), "GET", "/status.json").Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := sample()
	if got.State != want.State || len(got.Partitions) != 2 || got.Partitions[0] != want.Partitions[0] ||
		got.Held[0] != want.Held[0] || *got.Platform.LastRefusal != *want.Platform.LastRefusal || got.DeadLetters[0].Count != 17 {
		t.Errorf("read back: %+v", got)
	}
}

func TestStatusJSONHasListsWhereThereIsNothing(t *testing.T) {
	h := NewHandler(Sources{Status: func() Status { return Status{} }})
	body := bodyOf(t, do(h, "GET", "/status.json"))
	for _, name := range []string{"partitions", "held", "dead_letters", "settings", "refused_lots", "missing_topics"} {
		if !strings.Contains(body, `"`+name+`": []`) {
			t.Errorf("%s is not an empty list: %s", name, body)
		}
	}
	for _, name := range []string{"paused_until", "since", "last_refusal", "last_accepted", "dropped_at", "oldest", "condition", "remedy"} {
		if strings.Contains(body, name) {
			t.Errorf("%s is there although it has no value", name)
		}
	}
}

func TestProbesAnswerWhileAllRenderingsAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		inside := make(chan struct{}, maxRenderings)
		h := NewHandler(Sources{
			Live: answers(true, ""),
			Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				inside <- struct{}{}
				<-release
			}),
			Status: sample,
		})
		ended := make(chan struct{}, maxRenderings)
		for range maxRenderings {
			go func() {
				do(h, "GET", "/metrics")
				ended <- struct{}{}
			}()
		}
		for range maxRenderings {
			<-inside
		}
		if r := do(h, "GET", "/"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
			t.Errorf("one rendering too many: %d", r.StatusCode)
		}
		if r := do(h, "GET", "/livez"); r.StatusCode != 200 {
			t.Errorf("the probe waits for pages: %d", r.StatusCode)
		}
		close(release)
		for range maxRenderings {
			<-ended
		}
		if r := do(h, "GET", "/"); r.StatusCode != 200 {
			t.Errorf("a slot was not given back: %d", r.StatusCode)
		}
	})
}
