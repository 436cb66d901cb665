package deployments

import (
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/events"
)

// nightPage is the page for whoever is on call, in one language, by what it is asked for here.
type nightPage struct {
	file, symptoms string            // and the page beside it, that explains log events
	runbooks       string            // their suffix
	sentences      string            // the heading over what the status page says
	severities     map[string]string // the heading over the alerts of each severity
}

var nightPages = []nightPage{
	{"../docs/how-to/night.md", "../docs/how-to/night/symptoms.md", ".md", "## The page's first sentence", map[string]string{"critical": "### Critical", "warning": "### Warning"}},
	{"../docs/how-to/night.zh.md", "../docs/how-to/night/symptoms.zh.md", ".zh.md", "## 状态页的第一句话", map[string]string{"critical": "### 严重（critical）", "warning": "### 警告（warning）"}},
}

// under is what stands below a heading, up to the next one.
func under(t *testing.T, page, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(page, "\n"+heading+"\n")
	if !found {
		t.Errorf("no heading %q", heading)
	}
	section, _, _ := strings.Cut(after, "\n#")
	return section
}

// TestTheNightPageLeadsToTheRunbook: from each alert, in the table of its severity, and from each trouble that the status page names.
func TestTheNightPageLeadsToTheRunbook(t *testing.T) {
	for _, p := range nightPages {
		page := string(fileOf(t, p.file))
		link := func(name string) string { return "](../../deployments/runbooks/" + name + p.runbooks + ")" }
		for _, a := range alerts(t) {
			row := regexp.MustCompile(`(?m)^\| ` + a.Alert + ` \|.*$`).FindString(under(t, page, p.severities[a.Labels["severity"]]))
			if name := strings.TrimSuffix(a.runbook(), ".md"); !strings.Contains(row, link(name)) {
				t.Errorf("%s: no row of %q leads from %s to %s", p.file, p.severities[a.Labels["severity"]], a.Alert, name)
			}
		}
		for _, kind := range admin.Conditions() {
			if name := (admin.Condition{Kind: kind}).Runbook(); name != "" && !strings.Contains(under(t, page, p.sentences), link(name)) {
				t.Errorf("%s: %q does not lead to %s, as the condition %s does", p.file, p.sentences, name, kind)
			}
		}
	}
}

// TestTheSymptomsAreLogEventsThatExist: what the page calls a log event is one.
func TestTheSymptomsAreLogEventsThatExist(t *testing.T) {
	there := map[string]bool{}
	for _, e := range events.All() {
		there[e.Name] = true
	}
	named := regexp.MustCompile("(?:log|日志)(?: event|事件)? (`[a-z-]+`(?:(?:, |、)`[a-z-]+`)*)")
	for _, p := range nightPages {
		found := named.FindAllStringSubmatch(string(fileOf(t, p.symptoms)), -1)
		if len(found) < 20 {
			t.Errorf("%s: only %d log events are named: this looks at nothing", p.symptoms, len(found))
		}
		for _, f := range found {
			for name := range strings.FieldsFuncSeq(f[1], func(r rune) bool { return strings.ContainsRune("`,、 ", r) }) {
				if !there[name] {
					t.Errorf("%s: no log event is called %s", p.symptoms, name)
				}
			}
		}
	}
}
