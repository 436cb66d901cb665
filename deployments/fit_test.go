package deployments

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// rule says which numbers of an overlay must fit which. It holds for an overlay where all its relations do; where it has
// none, the overlay lacks what the rule is about.
type rule struct {
	name      string // of the sub-test
	why       string // one sentence: what happens otherwise
	relations func(fit) []relation
	// What breaks this rule and no other, in the overlay breaksIn; "": production-scaled.
	breaks   []change
	breaksIn string
}

// change is another value for a number of an object, or, where the object is settings, for a setting.
type change struct {
	object, path string
	value        any
}

const inSettings = "settings"

func rules() []rule {
	return slices.Concat(stopRules, probeRules, replicaRules, memoryRules, topicRules, checkRules, alarmRules)
}

// broken are the relations of a rule that do not hold.
func (r rule) broken(f fit) (found []relation) {
	for _, relation := range r.relations(f) {
		if !relation.holds() {
			found = append(found, relation)
		}
	}
	return found
}

func fits(t *testing.T) (all []fit) {
	t.Helper()
	for _, o := range overlays(t) {
		f := fit{t, o}
		if f.has(scaledObjectName) {
			delete(f.objects[deploymentName]["spec"].(map[string]any), "replicas") // the component's patch, where nothing is rendered
		}
		all = append(all, f)
	}
	return all
}

func fitOf(t *testing.T, overlay string) fit {
	t.Helper()
	all := fits(t)
	i := slices.IndexFunc(all, func(f fit) bool { return f.name == overlay })
	if i < 0 {
		t.Fatalf("no overlay %s", overlay)
	}
	return all[i]
}

// TestTheNumbersFit holds every overlay to every rule.
func TestTheNumbersFit(t *testing.T) {
	held := map[string]bool{}
	for _, f := range fits(t) {
		for _, r := range rules() {
			t.Run(f.name+"/"+r.name, func(t *testing.T) {
				f := fit{t, f.overlay}
				held[r.name] = held[r.name] || len(r.relations(f)) > 0
				for _, b := range r.broken(f) {
					t.Errorf("%s does not hold: %s", b, r.why)
				}
			})
		}
	}
	for _, r := range rules() {
		if !held[r.name] {
			t.Errorf("%s: no overlay has what it is about", r.name)
		}
	}
}

// TestAWrongNumberBreaksItsRuleAlone changes a number for each rule: that rule fails, and no other.
func TestAWrongNumberBreaksItsRuleAlone(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			f := fitOf(t, "production-scaled")
			if r.breaksIn != "" {
				f = fitOf(t, r.breaksIn)
			}
			for _, c := range r.breaks {
				f.change(c)
			}
			var failed []string
			for _, other := range rules() {
				if len(other.broken(f)) > 0 {
					failed = append(failed, other.name)
				}
			}
			if !slices.Equal(failed, []string{r.name}) {
				t.Errorf("with %v these fail: %v", r.breaks, failed)
			}
		})
	}
}

func (f fit) change(c change) {
	f.Helper()
	if c.object == inSettings {
		f.settings[c.path] = fmt.Sprint(c.value)
		return
	}
	above, _, within := cut(c.path)
	if _, is := at(f.objects[c.object], above).(map[string]any); f.objects[c.object] == nil || within && !is {
		f.Fatalf("%s has no %s", c.object, c.path)
	}
	put(f.objects[c.object], c.path, c.value)
}

const fitPage = "docs/reference/fit.md"

// TestTheFitPageIsTheRules holds the table of docs/reference/fit.md to the rules and to the numbers of production-scaled.
func TestTheFitPageIsTheRules(t *testing.T) {
	var b strings.Builder
	b.WriteString("| what must fit what | in `production-scaled` | else |\n| --- | --- | --- |\n")
	for _, r := range rules() {
		relations := r.relations(fitOf(t, "production-scaled"))
		if len(relations) == 0 {
			relations = r.relations(fitOf(t, "production"))
		}
		nearest := slices.MinFunc(relations, compareRoom)
		fmt.Fprintf(&b, "| %s %s %s | %s %s %s | %s |\n", nearest.is.name, nearest.rel, nearest.than.name, nearest.is, nearest.rel, nearest.than, r.why)
	}
	repo.Generated(t, fitPage, "<!-- fit:begin -->\n", "<!-- fit:end -->", b.String(), *repo.Update)
}
