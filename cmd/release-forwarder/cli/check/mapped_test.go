package check

import (
	"fmt"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// What check says with a mapping file is in golden files: a release, the same with each field's
// way, one that cannot be mapped, and a record that is ignored.
func TestCheckSaysWhatItSaidOfAMappedEvent(t *testing.T) {
	t.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/nested.yaml"))
	const release = `{"type":"release","sent":1630586220000,"body":"{\"recordId\":2211,\"opType\":2,\"parkCode\":\"0755-01\",\"car\":{\"no\":\"粤B12345\"},` +
		`\"cars\":[{\"color\":\"粉牌\"}],\"inTime\":1630575406,\"outTime\":\"2021/09/02 18:36\",\"reasonCode\":\"2\"}"}`
	var all strings.Builder
	for _, c := range []struct {
		name, input string
		command     Command
	}{
		{"a release", release, Command{Lang: english}},
		{"a release, with -v", release, Command{Lang: english, mappingFlags: mappingFlags{Verbose: true}}},
		{"a release, with -v, in Chinese", release, Command{Lang: chinese, mappingFlags: mappingFlags{Verbose: true}}},
		{"a release, with -v, as JSON", release, Command{Lang: english, JSON: true, mappingFlags: mappingFlags{Verbose: true}}},
		{"a code that is not listed", strings.Replace(release, `\"reasonCode\":\"2\"`, `\"reasonCode\":9`, 1), Command{Lang: english, mappingFlags: mappingFlags{Verbose: true}}},
		{"no body, in Chinese", `{"type":"release"}`, Command{Lang: chinese}},
		{"an entry", `{"type":"entry"}`, Command{Lang: english}},
		{"an entry, in Chinese", `{"type":"entry"}`, Command{Lang: chinese}},
	} {
		printed, failed := checkedBy(t, c.command, c.input)
		fmt.Fprintf(&all, "=== %s: %d failed\n%s\n", c.name, failed, printed)
	}
	unlisted(t, &all)
	golden(t, "mapped.golden", all.String())
}

// unlisted adds what check says of a lot that the lookup file does not have, and of one that it has.
func unlisted(t *testing.T, all *strings.Builder) {
	t.Helper()
	t.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/lookup.yaml"))
	const event = `{"lot":{"code":1042},"flow":"F1","ticket":"S1","plate":"粤B12345","left":1}`
	good := strings.Replace(event, `,"left":1`, "", 1)
	verbose := mappingFlags{Topic: "lanes-a", Verbose: true}
	for _, c := range []struct {
		name, input string
		command     Command
	}{
		{"a lot that is listed, with -v", strings.Replace(good, "1042", "7", 1), Command{Lang: english, mappingFlags: verbose}},
		{"a lot that is not listed", good, Command{Lang: english, mappingFlags: mappingFlags{Topic: "lanes-a"}}},
		{"a lot that is not listed, with -v, in Chinese", good, Command{Lang: chinese, mappingFlags: verbose}},
		{"a lot that is not listed, as JSON", good, Command{Lang: english, JSON: true, mappingFlags: mappingFlags{Topic: "lanes-a"}}},
		{"a lot that is not listed, and a bad time", event, Command{Lang: english, mappingFlags: mappingFlags{Topic: "lanes-a"}}},
	} {
		printed, failed := checkedBy(t, c.command, c.input)
		fmt.Fprintf(all, "=== %s: %d failed\n%s\n", c.name, failed, printed)
	}
}

// The flags say what a value alone does not.
func TestCheckKnowsTopicHeadersAndKey(t *testing.T) {
	t.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/cloudevents.yaml"))
	with := Command{Lang: english, mappingFlags: mappingFlags{Key: "S1", Header: map[string]string{
		"ce_specversion": "1.0", "ce_type": "com.example.release", "ce_source": "P1", "ce_id": "E-1", "ce_time": "2021-09-02T10:37:00Z"}}}
	printed, failed := checkedBy(t, with, `{"plate":"粤B12345"}`)
	if want := "flow_no=E-1&operate_time=2021-09-02T10:37:00Z&park_uuid=P1&parking_serial=S1&plate=粤B12345"; failed != 0 || !strings.Contains(printed, want) {
		t.Errorf("%d failed, without %s:\n%s", failed, want, printed)
	}
	if printed, failed := checkedBy(t, Command{Lang: english}, `{"plate":"粤B12345"}`); failed != 1 || !strings.Contains(printed, "no-profile") {
		t.Errorf("without headers: %d failed\n%s", failed, printed)
	}
}
