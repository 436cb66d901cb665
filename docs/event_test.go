package docs

import (
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// The event and the producers on the pages for lanes are the files that are checked, packed and tried on a real Kafka
// (.ci/kafka/producers.sh).
func TestTheEventPageShowsTheFiles(t *testing.T) {
	for _, page := range []string{"docs/event.md", "docs/event.zh.md"} {
		text := repo.Read(t, page)
		for file, kind := range map[string]string{"event.json": "json event.json", "LaneProducer.java": "java", "LaneProducer.cs": "csharp", "lane_producer.py": "python"} {
			if block := "\n```" + kind + "\n" + repo.Read(t, "docs/producers/"+file) + "```\n"; strings.Count(text, block) != 1 {
				t.Errorf("%s has not the block%s", page, block)
			}
		}
	}
}
