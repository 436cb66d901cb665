package deployments

import (
	"regexp"
	"slices"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// releases are the versions that CHANGELOG.md has sections for, the newest first.
func releases(t *testing.T) (versions []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^## \[([0-9][^\]]*)\] - \d{4}-\d\d-\d\d$`).FindAllStringSubmatch(repo.Read(t, "CHANGELOG.md"), -1) {
		versions = append(versions, "v"+m[1])
	}
	if len(versions) == 0 {
		t.Fatal("CHANGELOG.md has no release")
	}
	return versions
}

// TestTheManifestsNameTheNewestRelease: whoever follows the pages pushes that image and applies these.
func TestTheManifestsNameTheNewestRelease(t *testing.T) {
	if named := found(t, "deployments/overlays/production/kustomization.yaml", `newTag: ([^}\s]+)}`); named != releases(t)[0] {
		t.Errorf("overlays/production names %s, CHANGELOG.md's newest section is %s", named, releases(t)[0])
	}
}

// TestTheLastReleaseIsNamed: .ci/release/last names a release by version and commit, the newest one, or the one before
// while the newest is being made.
func TestTheLastReleaseIsNamed(t *testing.T) {
	last := found(t, ".ci/release/last", `^(v\S+) [0-9a-f]{40}$`)
	if all := releases(t); !slices.Contains(all[:min(2, len(all))], last) {
		t.Errorf("%s is the last release, CHANGELOG.md's newest are %v", last, all)
	}
}
