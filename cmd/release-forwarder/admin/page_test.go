package admin

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/upstream"
	"release-forwarder/upstream/gate"
)

// asked gets the page as a browser of a language does.
func asked(t *testing.T, s Status, accept string) (body string, header http.Header) {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	if accept != "" {
		r.Header.Set("Accept-Language", accept)
	}
	w := httptest.NewRecorder()
	NewHandler(Sources{Status: func() Status { return s }}).ServeHTTP(w, r)
	return bodyOf(t, w.Result()), w.Result().Header
}

func TestThePageSpeaksTheBrowsersLanguage(t *testing.T) {
	for _, c := range []struct{ accept, want string }{
		{"", "en"},
		{"zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"},
		{"zh-TW", "zh-CN"},
		{"ZH", "zh-CN"},
		{"en-GB,en;q=0.9,zh;q=0.8", "en"},
		{"en;q=0.5, zh;q=0.9", "zh-CN"},
		{"de-DE, zh;q=0.1", "zh-CN"},
		{"de-DE,de;q=0.9", "en"},
		{"*", "en"},
		{"zh;q=0", "en"},
		{"zh;q=2, en;q=0.1", "en"},
		{"zh;q=NaN, en;q=0.1", "en"},
		{";;,,=;q", "en"},
	} {
		s := sample()
		s.Condition = Condition{Kind: LotsRefused, Count: 2, Name: "lot-7", Since: started}
		body, header := asked(t, s, c.accept)
		if !strings.Contains(body, `<html lang="`+c.want+`">`) || header.Get("Content-Language") != c.want || header.Get("Vary") != "Accept-Language" {
			t.Errorf("%q: want %s; headers %v", c.accept, c.want, header)
		}
		sentence := map[string]string{
			"en":    "The platform refuses 2 lots while it accepts others, the first lot-7 since 2026-03-01 08:00:00Z",
			"zh-CN": "平台单独拒绝 2 个车场，最早为 lot-7（自 2026-03-01 08:00:00Z 起）",
		}[c.want]
		if !strings.Contains(body, sentence) {
			t.Errorf("%q: the page lacks %q", c.accept, sentence)
		}
	}
}

// TestRefusedLotsComeFirst: what a person must mend before LOT_HOLD_MAX is over
// stands above all that waits by itself.
func TestRefusedLotsComeFirst(t *testing.T) {
	s := sample()
	s.RefusedLots = []RefusedLot{{Lot: "lot-7", Since: started, Next: started.Add(time.Hour)}, {Lot: "?", Since: started}, {Lot: "1042", NotIn: "lots.csv", Since: started}}
	body, _ := asked(t, s, "en")
	if !strings.Contains(body, `1042 <span class="quiet">(not in lots.csv)</span>`) {
		t.Error("the page does not say which lookup file lacks a lot")
	}
	first := strings.Index(body, "lot-7")
	for _, later := range []string{`<h2>Platform</h2>`, `<h2>Partitions</h2>`, `<h2>Held records</h2>`, "Settings in force"} {
		if at := strings.Index(body, later); first < 0 || at < first {
			t.Errorf("%q stands before the refused lots", later)
		}
	}
}

func TestTheOverviewTellsWhatIsLostWaitingAndDone(t *testing.T) {
	s := sample()
	s.Pending, s.Oldest = 20, started.Add(-3*time.Hour)
	s.Platform.LastAccepted = started
	s.Storms = 1
	s.Partitions[0].DoneBeyond = 1234
	s.DeadLetters[0].LastHour = 5
	for name, c := range map[string]struct {
		dropped int64
		want    string
	}{
		"nothing lost":    {0, "nothing that this replica knows of"},
		"Kafka lost some": {42, "<strong>42</strong> records that Kafka dropped before they could be read"},
	} {
		s.Dropped, s.DroppedAt = c.dropped, started
		body, _ := asked(t, s, "en")
		for _, want := range []string{
			c.want, "20 records, the oldest from 2026-03-01 05:00:00Z (3h1m ago)", "2026-03-01 08:00:00Z (1m ago)",
			`<td class="n">1234</td>`, `<td class="n">5</td><td class="n">17</td>`, "<strong>1</strong> storm: dead letters are written at one a second",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the page lacks %q", name, want)
			}
		}
	}
}

func TestProgramsReadTheCondition(t *testing.T) {
	s := sample()
	s.Condition = Condition{Kind: CircuitOpen, Since: started}
	var got struct {
		State, Condition, Level, Remedy string
	}
	h := NewHandler(Sources{Status: func() Status { return s }})
	if err := json.NewDecoder(do(h, "GET", "/status.json").Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Condition != "circuit-open" || got.Level != "trouble" || !strings.HasPrefix(got.State, "The platform accepts nothing since 2026-03-01") || got.Remedy == "" {
		t.Errorf("%+v", got)
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// plural is one of something in the words of many.
var plural = regexp.MustCompile(`\b1 (dead )?(partitions|dead letters|lots|storms|records|wait)\b`)

// TestEverySentenceIsWhole holds the two languages to one another, each trouble
// to a remedy, and each runbook to a page in both languages.
func TestEverySentenceIsWhole(t *testing.T) {
	for _, s := range sentences {
		for _, p := range []phrase{s.says, s.remedy} {
			en, zh := placeholder.FindAllString(p[english], -1), placeholder.FindAllString(p[chinese], -1)
			slices.Sort(en)
			slices.Sort(zh)
			if !slices.Equal(en, zh) {
				t.Errorf("%s: the languages tell other facts: %v, %v", s.kind, en, zh)
			}
			if (p[english] == "") != (p[chinese] == "") {
				t.Errorf("%s: one language is missing", s.kind)
			}
		}
		if s.level == LevelTrouble && (s.remedy[english] == "" || s.runbook == "") {
			t.Errorf("%s: a person is needed and is not told what to do", s.kind)
		}
		for _, count := range []int64{1, 3} {
			c := Condition{Kind: s.kind, Count: count, Name: "lot-7", Since: started, For: 90 * time.Second}
			if text := c.String() + c.Remedy(); strings.ContainsAny(text, "{}|") || plural.MatchString(text) {
				t.Errorf("%s: a fact is not filled in: %s", s.kind, text)
			}
		}
	}
}

func TestEveryWordIsUsedAndInBothLanguages(t *testing.T) {
	for key, p := range words {
		if !strings.Contains(pageSource, `t "`+key+`"`) && !strings.Contains(pageSource, `after "`+key+`"`) && !regexp.MustCompile(`of \.\w+ "`+key+`"`).MatchString(pageSource) {
			t.Errorf("%q is on no page", key)
		}
		if p[english] == "" || p[chinese] == "" {
			t.Errorf("%q lacks a language", key)
		}
	}
}

func TestAgesAreReadable(t *testing.T) {
	for d, want := range map[time.Duration]phrase{
		-time.Second:                 {"0s", "0 秒"},
		1500 * time.Millisecond:      {"1s", "1 秒"},
		90 * time.Second:             {"1m", "1 分钟"},
		3*time.Hour + 12*time.Minute: {"3h12m", "3 小时 12 分"},
		47 * time.Hour:               {"47h0m", "47 小时 0 分"},
		75 * time.Hour:               {"3d3h", "3 天 3 小时"},
	} {
		if got := (phrase{english.span(d), chinese.span(d)}); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// A person reads times by the clock on the wall, and finds them in logs by their offset.
func TestTimesAreInTheEventsZone(t *testing.T) {
	s := sample()
	s.Zone = time.FixedZone("", 8*3600)
	s.Condition = Condition{Kind: CircuitOpen, Since: started}
	s.Platform.LastAccepted = started.Add(78 * time.Second)
	s.Held[0].Next = started.Add(time.Minute)
	en, _ := asked(t, s, "en")
	zh, _ := asked(t, s, "zh")
	en, zh = html.UnescapeString(en), html.UnescapeString(zh) // the + of an offset is written as a reference
	for body, texts := range map[string][]string{
		en: {
			"The platform accepts nothing since 2026-03-01 16:00:00+08:00", "2026-03-01 16:01:18+08:00 (12s ago)",
			"<dd>open since 2026-03-01 16:01:00+08:00 (30s)</dd>", "<td>2026-03-01 16:01:00+08:00</td>", `<dd id="seen">2026-03-01 16:01:30+08:00</dd>`,
		},
		zh: {
			"平台自 2026-03-01 16:00:00+08:00 起不接受任何请求", "2026-03-01 16:01:18+08:00 (12 秒前)",
			"<dd>已熔断（open），自 2026-03-01 16:01:00+08:00 起 (30 秒)</dd>", "自 <span></span> 起服务无应答",
		},
	} {
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("the page lacks %q", text)
			}
		}
		if strings.Contains(body, "08:00:00Z") || strings.Contains(body, "08:01:") {
			t.Error("a time is in another zone")
		}
	}
	var got struct{ State string }
	if err := json.NewDecoder(do(NewHandler(Sources{Status: func() Status { return s }}), "GET", "/status.json").Body).Decode(&got); err != nil || !strings.Contains(got.State, "16:00:00+08:00") {
		t.Errorf("%v, %q", err, got.State)
	}
}

// The last failure says by its error whether network, secret or platform is to blame.
func TestTheLastFailureSaysItsKind(t *testing.T) {
	s := sample()
	s.Platform.LastRefusal = &Refusal{At: started, Verdict: "unreachable", Error: "dial 10.0.0.7:443: connection refused"}
	for accept, want := range map[string]string{
		"en": "<dt>Last failure</dt><dd>unreachable: dial 10.0.0.7:443: connection refused, at ",
		"zh": "<dt>最近一次失败</dt><dd>无法连接（unreachable）: dial 10.0.0.7:443: connection refused",
	} {
		if body, _ := asked(t, s, accept); !strings.Contains(body, want) {
			t.Errorf("%s: the page lacks %q", accept, want)
		}
	}
}

func TestEachVerdictAndCircuitHasAWordInChinese(t *testing.T) {
	for _, v := range upstream.Verdicts() {
		if v != upstream.Accepted && v != upstream.Cut && names[v.String()] == "" {
			t.Errorf("%s has none", v)
		}
	}
	for _, p := range []gate.Phase{gate.Closed, gate.Open, gate.Ramp} {
		if names[p.String()] == "" {
			t.Errorf("%s has none", p)
		}
	}
}
