package deployments

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// egressFile is what the rendered overlays were made with, where it is not theirs.
var egressFile = flag.String("egress", "", "a file like overlays/production/egress.env, which the rendered overlays were made with")

// egress are the values that the component egress takes, by their names.
type egress map[string]string

func readEgress(t *testing.T, file string) egress {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	e := egress{}
	for line := range strings.Lines(string(text)) {
		if name, value, is := strings.Cut(strings.TrimSpace(line), "="); is && !strings.HasPrefix(line, "#") {
			e[name] = value
		}
	}
	return e
}

// ports are the ends of a range.
func ports(value string) (from, to int, err error) {
	first, last, is := strings.Cut(value, "-")
	from, err = strconv.Atoi(first)
	if err == nil {
		to, err = strconv.Atoi(last)
	}
	if !is || err != nil || from < 1 || to < from || to > 65535 {
		return 0, 0, fmt.Errorf("%q is no range of ports, FROM-TO", value)
	}
	return from, to, nil
}

// egressNames are what must be given, ports by a range.
var egressNames = []string{"collector-ports", "dns-address", "kafka-ports", "kafka-ports-too", "monitoring-namespace", "platform-ports"}

// faults are what is wrong with the values.
func (e egress) faults() (found []string) {
	if names := slices.Sorted(maps.Keys(e)); !slices.Equal(names, egressNames) {
		found = append(found, fmt.Sprintf("has %v, must have %v", names, egressNames))
	}
	for name, value := range e {
		var err error
		switch {
		case strings.Contains(name, "-ports"):
			_, _, err = ports(value)
		case name == "dns-address":
			_, err = netip.ParsePrefix(value)
		case !regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`).MatchString(value):
			err = fmt.Errorf("%q is no namespace", value)
		}
		if err != nil {
			found = append(found, name+": "+err.Error())
		}
	}
	return found
}

// reached says in words what the policies let through, for comparison with what was asked for.
func (o *overlay) reached() (lines []string) {
	for _, p := range o.policies {
		for _, i := range p.Spec.Ingress {
			for _, from := range i.From {
				lines = append(lines, fmt.Sprintf("%s is scraped from %s", p.Metadata.Name, from.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]))
			}
		}
		for _, e := range p.Spec.Egress {
			to := ""
			for _, peer := range e.To {
				to += " " + peer.IPBlock.CIDR + peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
			}
			for _, port := range e.Ports {
				lines = append(lines, fmt.Sprintf("%s to%s on %d-%d", p.Metadata.Name, to, port.Port, max(port.Port, port.EndPort)))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// lines are the same, as these values want them.
func (e egress) lines() []string {
	all, kafka := forwarderName, forwarderName+"-kafka"
	lines := []string{
		all + " is scraped from " + e["monitoring-namespace"],
		all + " to on " + e["platform-ports"],
		all + " to " + e["monitoring-namespace"] + " on " + e["collector-ports"],
		kafka + " to kube-system " + e["dns-address"] + " on 53-53",
		kafka + " to kube-system " + e["dns-address"] + " on 53-53",
		kafka + " to on " + e["kafka-ports"],
		kafka + " to on " + e["kafka-ports-too"],
	}
	slices.Sort(lines)
	return lines
}

// TestTheEgressIsWhatTheOverlayAsksFor: by the component, and without it by the base's own values, which are those that
// production is shipped with.
func TestTheEgressIsWhatTheOverlayAsksFor(t *testing.T) {
	file := "overlays/production/egress.env"
	if *egressFile != "" {
		file = *egressFile
	}
	e := readEgress(t, file)
	if found := e.faults(); len(found) > 0 {
		t.Errorf("%s: %v", file, found)
	}
	for _, o := range overlays(t) {
		if *egressFile != "" && !strings.HasPrefix(o.name, "production") {
			continue // it has the base's
		}
		o.policies = slices.DeleteFunc(o.policies, func(p networkPolicy) bool { return p.Metadata.Name == forwarderName+"-double" })
		if got := o.reached(); !slices.Equal(got, e.lines()) {
			t.Errorf("%s: the policies let through\n%s\nasked for is\n%s", o.name, strings.Join(got, "\n"), strings.Join(e.lines(), "\n"))
		}
	}
}

// TestWrongEgressIsFound: each of these values is refused here, before an API server sees it.
func TestWrongEgressIsFound(t *testing.T) {
	for _, wrong := range []string{
		"kafka-ports=9092", "kafka-ports=9098-9092", "kafka-ports=0-9092", "kafka-ports=9092-65536", "kafka-ports=9092,9094", "kafka-ports=", "platform-ports=https-https",
		"collector-ports=4317-4318-4319", "dns-address=169.254.20.10", "dns-address=kube-dns", "dns-address=169.254.20.10/33", "monitoring-namespace=", "monitoring-namespace=My Namespace",
		"kafka-port=9092-9092",
	} {
		e := readEgress(t, "overlays/production/egress.env")
		name, value, _ := strings.Cut(wrong, "=")
		e[name] = value
		if len(e.faults()) == 0 {
			t.Errorf("%s is taken", wrong)
		}
	}
	e := readEgress(t, "overlays/production/egress.env")
	delete(e, "kafka-ports-too")
	if len(e.faults()) == 0 {
		t.Error("a missing line is not seen")
	}
}

// selects tells whether the policy is for pods with this name.
func (p *networkPolicy) selects(name string) bool {
	for _, e := range p.Spec.PodSelector.MatchExpressions {
		if e.Key != nameLabel || e.Operator != "In" || !slices.Contains(e.Values, name) {
			return false
		}
	}
	wanted := p.Spec.PodSelector.MatchLabels[nameLabel]
	return wanted == "" || wanted == name
}

// TestEveryPodOfOursReachesKafka: the policy that opens Kafka and names selects each of them.
func TestEveryPodOfOursReachesKafka(t *testing.T) {
	for _, o := range overlays(t) {
		at := slices.IndexFunc(o.policies, func(p networkPolicy) bool { return p.Metadata.Name == forwarderName+"-kafka" })
		if at < 0 {
			t.Fatalf("%s: the policy is gone", o.name)
		}
		pods := map[string]map[string]string{}
		for _, c := range o.cronJobs {
			pods["the check"] = c.Spec.JobTemplate.Spec.Template.Metadata.Labels
		}
		for name, d := range o.tools {
			pods[name] = d.Spec.Template.Metadata.Labels
		}
		if *rendered != "" {
			pods[forwarderName] = o.deployment.Spec.Template.Metadata.Labels
		}
		for name, labels := range pods {
			if !o.policies[at].selects(labels[nameLabel]) || (labels[nameLabel] == forwarderName) != (name == forwarderName) {
				t.Errorf("%s: %s has the labels %v", o.name, name, labels)
			}
		}
	}
}
