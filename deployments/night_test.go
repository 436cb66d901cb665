package deployments

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

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

// shippedTopic is a topic as components/strimzi makes it.
type shippedTopic struct {
	Partitions, Replicas int
	Config               map[string]any
}

func shippedTopics(t *testing.T) map[string]shippedTopic {
	t.Helper()
	topics := map[string]shippedTopic{}
	decode(t, "components/strimzi/topics.yaml", func(d *yaml.Decoder) error {
		var k struct {
			Metadata struct{ Name string }
			Spec     shippedTopic
		}
		err := d.Decode(&k)
		if err == nil {
			topics[k.Metadata.Name] = k.Spec
		}
		return err
	})
	return topics
}

// placeholders are the values of a page's first block.
func placeholders(page string) map[string]string {
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=(\S+) +# `).FindAllStringSubmatch(page, -1) {
		values[m[1]] = m[2]
	}
	return values
}

// TestWhatIsBoughtIsAboveTheManifests: the retention that the page sets is longer than the topic's own, and so is each in its table.
func TestWhatIsBoughtIsAboveTheManifests(t *testing.T) {
	topics := shippedTopics(t)
	above := func(page, topic, had, gets string) {
		shipped := topics[topic].Config["retention.ms"]
		if had != fmt.Sprint(shipped) {
			t.Errorf("%s: %s is said to have %s, and has %v", page, topic, had, shipped)
		}
		old, _ := strconv.ParseInt(had, 10, 64)
		if bought, err := strconv.ParseInt(gets, 10, 64); err != nil || old == 0 || bought <= old {
			t.Errorf("%s: %s gets %s, which is not above %s", page, topic, gets, had)
		}
	}
	for _, name := range []string{"buy-retention-time.md", "buy-retention-time.zh.md"} {
		page := string(fileOf(t, "../docs/how-to/night/"+name))
		set := placeholders(page)
		above(name, set["TOPIC"], set["RETENTION_MS_BEFORE"], set["RETENTION_MS"])
		rows := regexp.MustCompile("(?m)^\\| `([a-z.-]+)` \\| (\\d+)[^|]*\\| (\\d+)[^|]*\\|$").FindAllStringSubmatch(page, -1)
		if len(rows) != 3 {
			t.Errorf("%s: %d topics instead of 3", name, len(rows))
		}
		for _, row := range rows {
			above(name, row[1], row[2], row[3])
		}
	}
}

// TestTheTopicThatIsBroughtBackIsTheManifests: the command that makes the dead-letter topic gives it what components/strimzi has, and what
// is raised is raised above that.
func TestTheTopicThatIsBroughtBackIsTheManifests(t *testing.T) {
	for _, name := range []string{"topics-and-rights.md", "topics-and-rights.zh.md"} {
		page := string(fileOf(t, "../docs/how-to/night/"+name))
		set := placeholders(page)
		topic := shippedTopics(t)[set["TOPIC"]]
		command := regexp.MustCompile(`(?s)--create --if-not-exists.*?\n\x60`).FindString(page)
		if want := fmt.Sprintf("--partitions %d --replication-factor %d ", topic.Partitions, topic.Replicas); !strings.Contains(command, want) {
			t.Errorf("%s: %q lacks %q", name, command, want)
		}
		given := map[string]string{}
		for _, m := range regexp.MustCompile(`--config ([a-z.]+)=(\S+)`).FindAllStringSubmatch(command, -1) {
			given[m[1]] = m[2]
		}
		shipped := map[string]string{}
		for key, value := range topic.Config {
			shipped[key] = fmt.Sprint(value)
		}
		if len(shipped) == 0 || !maps.Equal(given, shipped) {
			t.Errorf("%s: %v is made, and %v is shipped", name, given, shipped)
		}
		old, _ := strconv.Atoi(shipped["max.message.bytes"])
		if raised, err := strconv.Atoi(set["MAX_MESSAGE_BYTES"]); err != nil || raised <= old {
			t.Errorf("%s: %s is not above %d", name, set["MAX_MESSAGE_BYTES"], old)
		}
	}
}
