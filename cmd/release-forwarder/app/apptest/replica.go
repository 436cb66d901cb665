package apptest

import (
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
)

// Sample gives a series of /metrics, "" where it is not there.
func (r *Replica) Sample(series string) string {
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if value, is := strings.CutPrefix(line, series+" "); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (r *Replica) ConditionKind() admin.Kind { return r.Status().Condition.Kind }

// Seconds is a gauge's value, -1 where it is not there.
func (r *Replica) Seconds(series string) float64 {
	text := r.Sample("release_forwarder_" + series)
	if text == "" {
		return -1
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return -1
	}
	return n
}

// Page is the status page in a language, and as JSON.
func (r *Replica) Page(language string) (html string, status map[string]any) {
	h := admin.NewHandler(admin.Sources{Status: r.Status})
	get := func(path string) string {
		q := httptest.NewRequest("GET", path, nil)
		q.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w.Body.String()
	}
	d := json.NewDecoder(strings.NewReader(get("/status.json")))
	d.UseNumber() // a producer's ID takes 64 bits
	_ = d.Decode(&status)
	return get("/"), status
}

// About tells whether a gauge is what it should be, within the time between two looks.
func (r *Replica) IsAbout(series string, want time.Duration) bool {
	got := r.Seconds(series)
	return got >= want.Seconds()-15 && got <= want.Seconds()+15
}
