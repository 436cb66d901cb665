package deployments

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v3"

	"release-forwarder/cmd/testkit/repo"
)

// defaultRunbooks is the base of every runbook_url where nobody has set one.
const defaultRunbooks = "https://example.com/release-forwarder"

// madeRules is the PrometheusRule that the plain file is for prometheus-operator, with the texts of one language.
func madeRules(t *testing.T, chinese bool) string {
	t.Helper()
	_, rules, found := strings.Cut(string(fileOf(t, alertRules)), "\ngroups:\n")
	if !found {
		t.Fatalf("%s has no groups", alertRules)
	}
	var b strings.Builder
	b.WriteString("# Made of " + alertRules + " by `make generate`: change it there.\n" +
		"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: release-forwarder\n" +
		"  labels: {app.kubernetes.io/name: release-forwarder}\nspec:\n  groups:\n")
	for line := range strings.Lines(rules) {
		key, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case key == "runbook_url" && chinese:
			line = strings.Replace(line, ".md", ".zh.md", 1)
		case key == "summary" || key == "description":
			if chinese {
				continue
			}
		case key == "summary_zh" || key == "description_zh":
			if !chinese {
				continue
			}
			line = strings.Repeat(" ", 10) + strings.TrimSuffix(key, "_zh") + ": " + text + "\n"
		}
		b.WriteString("  " + line)
	}
	return b.String()
}

// TestThePrometheusRulesAreThePlainFile: both components are made of the one source.
func TestThePrometheusRulesAreThePlainFile(t *testing.T) {
	for name, chinese := range map[string]bool{"components/alerts/rules.yaml": false, "components/alerts-zh/rules.yaml": true} {
		now := madeRules(t, chinese)
		if *repo.Update {
			if err := os.WriteFile(filepath.FromSlash(name), []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if string(fileOf(t, name)) != now {
			t.Errorf("%s is not what %s says: run make generate", name, alertRules)
		}
	}
}

// TestEveryAlertSpeaksBothLanguages: each has both texts in both, with the same values in them.
func TestEveryAlertSpeaksBothLanguages(t *testing.T) {
	value := regexp.MustCompile(`\{\{[^}]*\}\}`)
	han := func(text string) bool {
		return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	}
	for _, a := range alerts(t) {
		for _, key := range []string{"summary", "description"} {
			english, chinese := a.Annotations[key], a.Annotations[key+"_zh"]
			if english == "" || han(english) {
				t.Errorf("%s: the English %s is %q", a.Alert, key, english)
			}
			if !han(chinese) {
				t.Errorf("%s: the Chinese %s is %q", a.Alert, key, chinese)
			}
			said, told := value.FindAllString(english, -1), value.FindAllString(chinese, -1)
			slices.Sort(said)
			slices.Sort(told)
			if !slices.Equal(said, told) {
				t.Errorf("%s: the %s says %v in English and %v in Chinese", a.Alert, key, said, told)
			}
		}
	}
}

// TestEveryRunbookURLEndsAtARunbook: base, /runbooks/, and a page that is there, in Chinese too.
func TestEveryRunbookURLEndsAtARunbook(t *testing.T) {
	for _, a := range alerts(t) {
		page, is := strings.CutPrefix(a.Annotations["runbook_url"], defaultRunbooks+"/runbooks/")
		if !is || filepath.Base(page) != page {
			t.Errorf("%s: runbook_url is %s", a.Alert, a.Annotations["runbook_url"])
			continue
		}
		for _, name := range []string{page, strings.TrimSuffix(page, ".md") + ".zh.md"} {
			if _, err := os.Stat(filepath.Join("runbooks", name)); err != nil {
				t.Errorf("%s: %v", a.Alert, err)
			}
		}
	}
}

// TestWhatIsScrapedIsAlertedOn: an overlay that has Prometheus look has its alerts too, every one as it was tested. As
// kustomize renders it, all texts are of one language, and each runbook_url begins with the overlay's base.
func TestWhatIsScrapedIsAlertedOn(t *testing.T) {
	base := struct{ Data map[string]string }{}
	if err := yaml.Unmarshal(fileOf(t, "overlays/production/runbooks.yaml"), &base); err != nil {
		t.Fatal(err)
	}
	if base.Data["base"] == "" || base.Data["base"] == defaultRunbooks {
		t.Fatalf("the overlay's base is %q: this would see nothing", base.Data["base"])
	}
	scraped := 0
	for _, o := range overlays(t) {
		if o.podMonitor == nil {
			continue
		}
		scraped++
		if !reflect.DeepEqual(untold(o.alerts), untold(alerts(t))) {
			t.Errorf("%s: %d alerts, and not those of %s", o.name, len(o.alerts), alertRules)
			continue
		}
		if *rendered == "" {
			continue // the patch and the replacement are kustomize's work
		}
		for i, a := range alerts(t) {
			if got := o.alerts[i].Annotations; !maps.Equal(got, told(a, base.Data["base"], false)) && !maps.Equal(got, told(a, base.Data["base"], true)) {
				t.Errorf("%s: %s says %v", o.name, a.Alert, got)
			}
		}
	}
	if scraped == 0 {
		t.Error("no overlay is scraped by prometheus-operator")
	}
}

// untold are alerts without their annotations.
func untold(all []alert) []alert {
	all = slices.Clone(all)
	for i := range all {
		all[i].Annotations = nil
	}
	return all
}

// told are the annotations that an alert of the source must have in a cluster.
func told(a alert, base string, chinese bool) map[string]string {
	suffix, page := "", a.runbook()
	if chinese {
		suffix, page = "_zh", strings.TrimSuffix(page, ".md")+".zh.md"
	}
	return map[string]string{
		"summary": a.Annotations["summary"+suffix], "description": a.Annotations["description"+suffix],
		"runbook_url": base + "/runbooks/" + page,
	}
}

// TestTheRunbooksAreOfTheVersion: the overlay leads to the pages of the version that it runs.
func TestTheRunbooksAreOfTheVersion(t *testing.T) {
	version := func(file, pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(fileOf(t, "overlays/production/"+file))
		if m == nil {
			t.Fatalf("%s names no version", file)
		}
		return string(m[1])
	}
	if runs, tells := version("kustomization.yaml", `newTag: (v[^}]+)}`), version("runbooks.yaml", `/blob/(v[^/]+)/`); runs != tells {
		t.Errorf("overlays/production runs %s and its alerts lead to the runbooks of %s", runs, tells)
	}
}
