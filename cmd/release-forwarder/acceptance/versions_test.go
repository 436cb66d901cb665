package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// versionScenarios: what the brokers can tell is what the docs say of their version.
func versionScenarios() []scenario {
	return []scenario{{name: "versions: the brokers tell of their logs what is documented", run: tellsAsDocumented, notOn: func(b backend) string {
		if _, real := b.(*realBackend); !real {
			return "looks at a real Kafka's versions"
		}
		return ""
	}}}
}

// tellsAsDocumented holds the table of docs/reference/kafka-versions.md to what brokers take.
func tellsAsDocumented(t *testing.T) {
	w := newWorld(t, plan{noTopic: true})
	brokers, err := w.admin.ApiVersions(w.ctx())
	if err != nil {
		t.Fatal(err)
	}
	version := kafka.(*realBackend).listeners["KAFKA_VERSION"]
	documented := documentedOf(t, version)
	for _, b := range brokers {
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		found := tells(b)
		t.Logf("Kafka %s, broker %d: %s", version, b.NodeID, requestVersions(b))
		if found != documented {
			t.Errorf("Kafka %s tells %s; docs/reference/kafka-versions.md says %s", version, found, documented)
		}
	}
}

// documentedOf is the table's row of a version, without its first cell.
func documentedOf(t *testing.T, version string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "kafka-versions.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		first, cells, _ := strings.Cut(strings.Trim(line, "| \n"), " | ")
		oldest, newest, isRange := strings.Cut(first, " to ")
		from, since := strings.CutSuffix(oldest, " and later")
		if !isRange {
			newest = from
		}
		if n := number(version); number(from) > 0 && n >= number(from) && (since || n <= number(newest)) {
			return cells
		}
	}
	t.Fatalf("docs/reference/kafka-versions.md has no row for Kafka %s", version)
	return ""
}

// number makes versions comparable; 0: it is none.
func number(version string) int {
	parts := strings.Split(version+".", ".")
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return 0
	}
	minor, _ := strconv.Atoi(parts[1])
	return 1000*major + minor
}

// tells are the cells of a version's row.
func tells(b kadm.BrokerApiVersions) string {
	var cells []string
	for _, since := range []struct {
		key     kmsg.Key
		version int16
	}{
		{kmsg.OffsetForLeaderEpoch, 3}, // to a consumer (KIP-320)
		{kmsg.Fetch, 12},               // the divergence beside the records (KIP-595)
		{kmsg.Metadata, 10},            // topics' IDs (KIP-516)
		{kmsg.Fetch, 13},
		{kmsg.OffsetCommit, 10},
	} {
		word := "no"
		if _, newest, _ := b.KeyVersions(since.key.Int16()); newest >= since.version {
			word = "yes"
		}
		cells = append(cells, word)
	}
	return strings.Join(cells, " | ")
}

func requestVersions(b kadm.BrokerApiVersions) string {
	var all []string
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.Fetch, kmsg.OffsetForLeaderEpoch, kmsg.OffsetCommit} {
		oldest, newest, _ := b.KeyVersions(key.Int16())
		all = append(all, fmt.Sprintf("%s %d to %d", key.Name(), oldest, newest))
	}
	return strings.Join(all, ", ")
}
