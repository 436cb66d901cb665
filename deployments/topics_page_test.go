package deployments

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// TestTheCommandsMakeTheManifestsTopics holds the commands of docs/how-to/deploy-kubernetes.md for Kafka's own tools to the topics
// that Strimzi makes.
func TestTheCommandsMakeTheManifestsTopics(t *testing.T) {
	commands := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^topic --topic "\$TOPIC([a-z.]*)"(.*)$`).FindAllStringSubmatch(repo.Read(t, "docs/how-to/deploy-kubernetes.md"), -1) {
		commands["abnormal-release"+m[1]] = m[2] + " "
	}
	all := overlays(t)
	o := all[slices.IndexFunc(all, func(o *overlay) bool { return o.name == "production-receipts" })]
	if len(commands) != len(o.eventTopics) || len(commands) < 5 {
		t.Errorf("%d commands for %d topics", len(commands), len(o.eventTopics))
	}
	for name, topic := range o.eventTopics {
		want := []string{fmt.Sprintf("--partitions %d", topic.Spec.Partitions)}
		for key, value := range topic.Spec.Config {
			if key != "min.insync.replicas" { // the same for all
				want = append(want, fmt.Sprintf("--config %s=%v", key, value))
			}
		}
		for _, flag := range want {
			if !strings.Contains(commands[name], " "+flag+" ") {
				t.Errorf("%s: no %s", name, flag)
			}
		}
		if given := strings.Count(commands[name], "--"); given != len(want) {
			t.Errorf("%s: %d flags, %d are meant: %s", name, given, len(want), commands[name])
		}
	}
}
