package docs

import (
	"regexp"
	"slices"
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

// The pages for lanes name the archives that a release makes, and each has its SBOM.
func TestTheEventPageNamesTheReleasesFiles(t *testing.T) {
	platforms := func(script, before, after string) []string {
		_, rest, _ := strings.Cut(repo.Read(t, script), before)
		list, _, _ := strings.Cut(rest, after)
		return slices.Sorted(slices.Values(strings.Fields(list)))
	}
	made := platforms(".ci/release/release.sh", "\nfor platform in ", ";")
	if listed := platforms(".ci/release/sbom.sh", "${PLATFORMS:-", "}"); !slices.Equal(made, listed) {
		t.Errorf("release.sh builds %q, sbom.sh lists %q", made, listed)
	}
	var files []string
	for _, platform := range made {
		kind := ".tar.gz"
		if strings.HasPrefix(platform, "windows/") {
			kind = ".zip"
		}
		files = append(files, "release-forwarder_VERSION_"+strings.ReplaceAll(platform, "/", "_")+kind)
	}
	for _, page := range []string{"docs/event.md", "docs/event.zh.md"} {
		named := regexp.MustCompile(`release-forwarder_VERSION_[a-z0-9_.]+`).FindAllString(repo.Read(t, page), -1)
		if slices.Sort(named); !slices.Equal(named, slices.Sorted(slices.Values(files))) {
			t.Errorf("%s names %q, a release has %q", page, named, files)
		}
	}
}
