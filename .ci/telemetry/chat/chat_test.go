// Package chat proves deployments/alerts/alertmanager.yml with Alertmanager's own packages: which receivers get which alert,
// and what reaches the robots of DingTalk, WeCom and Feishu.
package chat

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

const folder = "../../../deployments/alerts/"

type rule struct {
	Alert               string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	text, err := os.ReadFile(folder + "rules.yaml")
	must(t, err)
	var file struct{ Groups []struct{ Rules []rule } }
	must(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("%d alerts", len(all))
	}
	return all
}

func configuration(t *testing.T) *config.Config {
	t.Helper()
	c, err := config.LoadFile(folder + "alertmanager.yml")
	must(t, err)
	return c
}

// labels are those of an alert as Alertmanager gets it.
func (r rule) labels() model.LabelSet {
	set := model.LabelSet{"alertname": model.LabelValue(r.Alert), "namespace": "release-forwarder", "job": "release-forwarder/release-forwarder"}
	for name, value := range r.Labels {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	return set
}

// TestEachAlertReachesWhoMustAct: the SRE gets each, and the lane team and the platform's contact theirs. What threatens a
// loss and is critical calls everybody; a warning waits for the day.
func TestEachAlertReachesWhoMustAct(t *testing.T) {
	root := dispatch.NewRoute(configuration(t).Route, nil)
	for _, r := range rules(t) {
		want := map[string]string{"sre": "sre", "lane": "lane sre", "platform": "platform sre"}[r.Labels["team"]]
		critical := r.Labels["severity"] == "critical"
		if critical && r.Labels["threatens_loss"] == "true" {
			want = "sre-all"
		}
		var got []string
		for _, route := range root.Match(r.labels()) {
			got = append(got, route.RouteOpts.Receiver)
			if waits := len(route.RouteOpts.ActiveTimeIntervals) > 0; waits == critical && route.RouteOpts.Receiver == "sre" {
				t.Errorf("%s: waits for the day: %v", r.Alert, waits)
			}
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%s reaches %v, want %s", r.Alert, got, want)
		}
	}
	if got := root.Match(model.LabelSet{"alertname": "Another"}); len(got) != 1 || got[0].RouteOpts.Receiver != "others" {
		t.Errorf("another service's alert reaches %v", got)
	}
}

// values of the alerts that Prometheus would put in.
var values = strings.NewReplacer("{{ $labels.topic }}", "abnormal-release", "{{ $labels.partition }}", "7", "{{ $value | humanizeDuration }}", "11h 59m 59s",
	"{{ $value | humanize }}", "123.4", "{{ $value }}", "3", "{{ $labels.cause }}", "failing", "{{ $labels.bound }}", "records",
	"{{ $labels.file }}", "UPSTREAM_CREDENTIALS_FILE", "{{ $labels.instance }}", "10.244.1.17:8081", "{{ $labels.pod }}", "release-forwarder-6c8d7f9b5d-x2x7k")

// firing is an alert as Alertmanager gets it: by the plain file with the texts in both languages, else with the Chinese ones alone.
func (r rule) firing(plain bool) *alert.Alert {
	annotations := model.LabelSet{}
	for name, value := range r.Annotations {
		annotations[model.LabelName(name)] = model.LabelValue(values.Replace(value))
	}
	if !plain {
		annotations["summary"], annotations["description"] = annotations["summary_zh"], annotations["description_zh"]
		annotations["runbook_url"] = model.LabelValue(strings.Replace(string(annotations["runbook_url"]), ".md", ".zh.md", 1))
		delete(annotations, "summary_zh")
		delete(annotations, "description_zh")
	}
	return &alert.Alert{Alert: model.Alert{Labels: r.labels(), Annotations: annotations, StartsAt: time.Now()}}
}

// sent is what a receiver posts for some alerts.
func sent(t *testing.T, receiver string, alerts ...*alert.Alert) map[string]any {
	t.Helper()
	var body map[string]any
	robot := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		must(t, err)
		must(t, json.Unmarshal(text, &body))
	}))
	defer robot.Close()
	address := filepath.Join(t.TempDir(), "address")
	must(t, os.WriteFile(address, []byte(robot.URL+"\n"), 0o600))
	templates, err := template.FromGlobs([]string{folder + "chat.tmpl"})
	must(t, err)
	templates.ExternalURL = &url.URL{}
	for _, r := range configuration(t).Receivers {
		if r.Name != receiver {
			continue
		}
		hook := *r.WebhookConfigs[0]
		hook.URLFile, hook.HTTPConfig = address, &commoncfg.HTTPClientConfig{}
		n, err := webhook.New(&hook, templates, slog.New(slog.DiscardHandler))
		must(t, err)
		ctx := notify.WithGroupLabels(notify.WithReceiverName(notify.WithGroupKey(t.Context(), "key"), receiver), model.LabelSet{})
		must(t, n.Notify(ctx, alerts...).Err())
	}
	return body
}

// at is the text at a path of names in what was sent.
func at(t *testing.T, body any, path ...string) string {
	t.Helper()
	for _, name := range path {
		switch b := body.(type) {
		case map[string]any:
			body = b[name]
		case []any:
			body = b[0].(map[string]any)[name]
		}
	}
	text, is := body.(string)
	if !is {
		t.Fatalf("%v is no text: %v", path, body)
	}
	return text
}

// most is how many bytes WeCom takes in a text of Markdown, the least of the three.
const most = 4096

// TestEachChatIsToldInItsOwnForm: every alert, and five of the longest at once.
func TestEachChatIsToldInItsOwnForm(t *testing.T) {
	robots := map[string]struct {
		kind, name string
		text       []string
	}{
		"sre":      {"msgtype", "markdown", []string{"markdown", "text"}},
		"sre-all":  {"msgtype", "markdown", []string{"markdown", "text"}},
		"platform": {"msgtype", "markdown", []string{"markdown", "content"}},
		"lane":     {"msg_type", "interactive", []string{"card", "body", "elements", "content"}},
	}
	for receiver, robot := range robots {
		for _, plain := range []bool{true, false} {
			longest, length := rule{}, 0
			for _, r := range rules(t) {
				body := sent(t, receiver, r.firing(plain))
				text := at(t, body, robot.text...)
				page := r.firing(false).Annotations["runbook_url"]
				for _, part := range []string{"release-forwarder", r.Alert, values.Replace(r.Annotations["summary_zh"]), values.Replace(r.Annotations["description_zh"]), "](" + string(page) + ")"} {
					if !strings.Contains(text, part) {
						t.Errorf("%s: %s is told without %q:\n%s", receiver, r.Alert, part, text)
					}
				}
				if at(t, body, robot.kind) != robot.name || strings.Contains(text, "可能丢失事件") != (r.Labels["threatens_loss"] == "true") {
					t.Errorf("%s: %s: %v", receiver, r.Alert, body)
				}
				if len(text) > length {
					longest, length = r, len(text)
				}
			}
			six := slices.Repeat([]*alert.Alert{longest.firing(plain)}, 6)
			if text := at(t, sent(t, receiver, six...), robot.text...); len(text) > most || strings.Count(text, "](") != 5 {
				t.Errorf("%s: six of %s are %d bytes, %d of them told", receiver, longest.Alert, len(text), strings.Count(text, "]("))
			}
		}
	}
	if all := sent(t, "sre-all", rules(t)[0].firing(true))["at"].(map[string]any)["isAtAll"]; all != true {
		t.Errorf("everybody is called: %v", all)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
