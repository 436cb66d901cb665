package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/dlq"
	receipts "release-forwarder/dlq/receipt"
)

// hostile is a text that steers a terminal, turns its direction and begins a line of its
// own; hostileBytes is one that is not UTF-8 too.
const (
	hostile      = "粤\x1b[31m\u009b1m\x7f\b\u202e\u2066\u200f\ufeff\u2028\u2029\U000E0041\r\nforged: line\ttab"
	hostileBytes = hostile + "\xff\xfe"
)

// besieged makes a Kafka full of hostile texts, and sets the environment for it.
func besieged(t *testing.T) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events", "events.dlq", "events.dlq.ledger", "events.receipts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	key := strings.Repeat("k", 32)
	keyFile := filepath.Join(t.TempDir(), "receipts-key")
	if err := os.WriteFile(keyFile, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"KAFKA_BROKERS": strings.Join(cluster.ListenAddrs(), ","), "KAFKA_TOPIC": "events", "KAFKA_GROUP_ID": "group", "UPSTREAM_URL": "http://127.0.0.1:1/update",
		"RECEIPTS_TOPIC": "events.receipts", "RECEIPTS_KEY_FILE": keyFile, "UPSTREAM_APP_ID": "app", "UPSTREAM_APP_SECRET": "secret", "KAFKA_" + hostileBytes: "unknown",
	} {
		t.Setenv(name, value)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	text, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	// The bytes that JSON may hold stand as they are.
	raw := strings.NewReplacer("\x1b", `\u001b`, "\b", `\b`, "\r", `\r`, "\n", `\n`, "\t", `\t`).Replace(hostile)
	event := `{"park_uuid":"lot-1","flow_no":"` + raw + `","parking_serial":` + string(text) + `,"plate":"` + raw + `","reason":"` + raw + `","` + raw + `":"` + raw + `"}`
	deadLetter := func(group string, more ...string) *kgo.Record {
		r := &kgo.Record{Topic: "events.dlq", Key: []byte(hostileBytes), Value: []byte(event), Headers: []kgo.RecordHeader{{Key: hostileBytes, Value: []byte(hostileBytes)}, {Key: hostile, Value: []byte(hostile)}}}
		for i, pairs := 0, append([]string{"topic", "events", "partition", "0", "offset", "0", "timestamp", "2026-01-02T03:04:05.000Z", "group", group, "stage", "upstream"}, more...); i < len(pairs); i += 2 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: dlq.HeaderPrefix + pairs[i], Value: []byte(pairs[i+1])})
		}
		return r
	}
	told := func(text string) []string {
		return []string{"reason", text, "field", text, "message", text, "hint", text, "code", text, "seqno", text, "traceparent", text, "redrives", "1", "origin", hostile + "/0/1"}
	}
	receipt := func(verdict string) *kgo.Record {
		value := fmt.Appendf(nil, `{"v":1,"lot":%s,"topic":%[1]s,"record_time":%[1]s,"verdict":%q,"reason":%[1]s,"code":%[1]s,"seqno":%[1]s,"first_attempt":%[1]s,"last_attempt":%[1]s,"trace":%[1]s,"signed":%[1]s}`, text, verdict)
		return &kgo.Record{Topic: "events.receipts", Key: receipts.NewDigester(key).Key("lot-1", "F1"), Value: value}
	}
	notJSON := deadLetter("group", told(hostile)...)
	notJSON.Value = []byte(hostileBytes)
	twice := deadLetter("group", append(told(hostile), hostileBytes, "1", hostileBytes, "2")...)
	for _, r := range []*kgo.Record{
		{Topic: "events", Value: []byte(event), Headers: []kgo.RecordHeader{{Key: dlq.HeaderPrefix + "origin", Value: []byte(hostileBytes)}}},
		deadLetter("group", told(hostile)...), deadLetter("group", told(hostileBytes)...), notJSON, twice, deadLetter(hostile, told(hostile)...), deadLetter(hostileBytes, told(hostile)...),
		{Topic: "events.dlq", Key: []byte(hostileBytes), Value: []byte(hostileBytes)},
		receipt("accepted"), receipt("accepted"), receipt("dead-letter"), receipt(hostile), {Topic: "events.receipts", Value: []byte(hostileBytes)},
		{Topic: "events.dlq.ledger", Key: []byte("1/lock"), Value: []byte(`{"v":1,"holder":"x","by":` + string(text) + `,"at":"2026-01-02T03:04:05Z","after":-1}`)},
	} {
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return cluster
}

// forgedLine is a line of output that a text from outside began.
var forgedLine = regexp.MustCompile(`(?m)^forged`)

// mustBeClean fails unless a terminal shows what it is given.
func mustBeClean(t *testing.T, what, said string) {
	t.Helper()
	if !utf8.ValidString(said) {
		t.Errorf("%s: not UTF-8", what)
	}
	found := map[rune]bool{}
	for _, r := range said {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && !found[r] {
			found[r] = true
			t.Errorf("%s: %U", what, r)
		}
	}
	if forgedLine.MatchString(said) {
		t.Errorf("%s: a line from outside", what)
	}
	if t.Failed() {
		t.Logf("%s:\n%.4000q", what, said)
	}
}

// said runs a command and gives what it writes, on both ways.
func said(t *testing.T, args ...string) (code int, out, beside string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	code, beside = executedWith(t, file, args...)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	written, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(written), beside
}

// Whatever anybody outside calls anything, no command lets it steer a terminal, turn its
// direction or begin a line.
func TestNoCommandLetsThroughWhatNobodySees(t *testing.T) {
	defer signal.Reset(syscall.SIGPIPE)
	cluster := besieged(t)
	cluster.ControlKey(int16(kmsg.DescribeGroups), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return hostileGroup(r.(*kmsg.DescribeGroupsRequest)), nil, true
	})
	dir := t.TempDir()
	file := func(name, value string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	quoted, _ := json.Marshal(hostile)
	event := `{"park_uuid":"lot-1","flow_no":"F1","parking_serial":"S1","plate":"粤B12345","reason":` + string(quoted) + `,"car_desc":"` + "\u202e\u009b" + `"}`
	wrong := file(hostileBytes, event+"\n{\""+hostileBytes+"\":1}\n")
	lines := [][]string{
		{"dlq", "list"}, {"dlq", "list", "--all", "--all-groups", "--reveal"}, {"dlq", "list", "--json"}, {"dlq", "list", "--json", "--reveal", "--all-groups"},
		{"dlq", "list", "--reason", hostileBytes}, {"dlq", "list", "--since", hostileBytes}, {"dlq", "list", "--partition", hostileBytes},
		{"dlq", "show", "0/0"}, {"dlq", "show", "0/1", "--reveal"}, {"dlq", "show", "0/2", "--reveal"}, {"dlq", "show", "0/3", "--reveal"}, {"dlq", "show", "0/6", "--all-groups", "--reveal"},
		{"dlq", "show", "0/0", "--json", "--reveal"}, {"dlq", "show", "0/3", "--json"}, {"dlq", "show", "0/4"}, {"dlq", "show", hostileBytes}, {"dlq", "show", "0/0", "--to", hostileBytes},
		{"dlq", "export"}, {"dlq", "export", "--reveal", "--all-groups"}, {"dlq", "stats"}, {"dlq", "stats", "--json"}, {"dlq", "stats", "--all-groups"},
		{"dlq", "replay", "--dry-run"}, {"dlq", "replay", "--dry-run", "--all-groups", "--set", "reason=" + hostile, "--reveal"}, {"dlq", "replay", "--set", hostileBytes},
		{"dlq", "replay", "--to", hostileBytes}, {"dlq", "replay", "--id", "0/0"}, {"dlq", "close", "0/2", "--why", hostile}, {"dlq", "show", "0/2"}, {"dlq", "show", "0/2", "--json"},
		{"find", "--lot", "lot-1"}, {"find", "--lot", "lot-1", "--reveal"}, {"find", "--lot", "lot-1", "--json", "--reveal"}, {"find", "--lot", hostileBytes}, {"find", "--plate", hostileBytes},
		{"audit", "--lot", "lot-1", "--flow", "F1"}, {"audit", "--lot", "lot-1", "--flow", "F1", "--json"}, {"audit", "--lot", "lot-1", "--flow", hostileBytes}, {"audit", "--lot", hostile, "--flow", "粤" + "F1"},
		{"audit", "--since", "1h"}, {"audit", "--since", "1h", "--json"}, {"audit", "--since", "1h", "--lot", hostileBytes}, {"audit", "--since", hostileBytes}, {"audit", "--verify", "--since", "1h"}, {"audit", "--verify", "--from", hostileBytes},
		{"offsets"}, {"offsets", "--json"}, {"offsets", "--topic", hostileBytes}, {"doctor"}, {"doctor", "--json"}, {"doctor", "--platform", "--lot", hostileBytes},
		{"check", wrong}, {"check", "--lang", "zh", wrong}, {"check", "--json", wrong}, {"check", "--lang", hostileBytes}, {"check", "--at", hostileBytes}, {"check", file(hostile+".json", event)}, {"check", wrong + hostileBytes}, {"check", dir + "/" + hostile}, {"check", "--" + hostileBytes},
		{"config"}, {"version"}, {hostileBytes}, {"--" + hostileBytes}, {"dlq", hostile}, {"offsets", "--timeout", hostileBytes},
	}
	var all []string
	for _, args := range lines {
		all = append(all, strings.Join(args, " "))
	}
	tried(t, all)
	for _, args := range lines {
		what := strings.Join(args, " ")
		t.Run(strings.ToValidUTF8(strings.Map(printed, what), "?"), func(t *testing.T) {
			_, out, beside := said(t, args...)
			mustBeClean(t, "standard output", out)
			mustBeClean(t, "standard error", beside)
			if (strings.Contains(what, "--json") || strings.HasPrefix(what, "dlq export")) && out != "" {
				for d := json.NewDecoder(strings.NewReader(out)); ; {
					var v any
					if err := d.Decode(&v); err == io.EOF {
						break
					} else if err != nil {
						t.Fatalf("no JSON: %v", err)
					}
				}
			}
		})
	}
}

func printed(r rune) rune {
	if r < ' ' || r >= 0x7f || r == '/' {
		return '?'
	}
	return r
}

// hostileGroup has everything of a group's description that a member or a broker chooses.
func hostileGroup(req *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for i, kind := range append([]string{"consumer", hostileBytes}, make([]string, len(req.Groups))...)[:len(req.Groups)] {
		g := kmsg.NewDescribeGroupsResponseGroup()
		g.Group, g.State, g.ProtocolType, g.Protocol = req.Groups[i], hostileBytes, kind, hostileBytes
		m := kmsg.NewDescribeGroupsResponseGroupMember()
		m.MemberID, m.ClientID, m.ClientHost = hostileBytes, hostileBytes, "/"+hostileBytes
		g.Members = append(g.Members, m)
		resp.Groups = append(resp.Groups, g)
	}
	return resp
}

// A broker says where others are to be found.
func TestABrokersNameSteersNoTerminal(t *testing.T) {
	defer signal.Reset(syscall.SIGPIPE)
	cluster := besieged(t)
	host := cluster.ListenAddrs()[0]
	var port int32
	for _, digit := range host[strings.LastIndexByte(host, ':')+1:] {
		port = port*10 + digit - '0'
	}
	for name, evil := range map[string]string{"controls": hostileBytes, "directions": "kafka\u202e\u2067.example", "escapes": "kafka\x1b]0;x\x07"} {
		cluster.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			return hostileBroker(r.(*kmsg.MetadataRequest), evil, port), nil, true
		})
		for _, args := range [][]string{
			{"offsets", "--timeout", "3s"}, {"offsets", "--timeout", "3s", "--json"}, {"doctor", "--timeout", "3s"}, {"doctor", "--timeout", "3s", "--json"},
			{"dlq", "list"},
		} {
			if args[0] == "dlq" && name != "controls" {
				continue // it tries for seconds before it says so
			}
			t.Run(name+" "+strings.Join(args, " "), func(t *testing.T) {
				_, out, beside := said(t, args...)
				mustBeClean(t, "standard output", out)
				mustBeClean(t, "standard error", beside)
				if !strings.Contains(out+beside, "[31m") && !strings.Contains(out+beside, "kafka") {
					t.Errorf("the name is nowhere: the test tests nothing\n%s%s", out, beside)
				}
			})
		}
	}
}

// hostileBroker is metadata by which a broker that answers leads nothing, and one with an evil
// name leads all.
func hostileBroker(req *kmsg.MetadataRequest, evil string, port int32) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	for id, name := range []string{"127.0.0.1", evil} {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = int32(id), name, port
		resp.Brokers = append(resp.Brokers, b)
	}
	for _, asked := range req.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
		if *asked.Topic == "" {
			topic.ErrorCode = kerr.UnknownTopicOrPartition.Code
		}
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Leader, p.Replicas, p.ISR = 1, []int32{1}, []int32{1}
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// What is escaped means the same to a program that reads it.
func TestJSONKeepsWhatItEscapes(t *testing.T) {
	besieged(t)
	_, out, beside := said(t, "dlq", "export", "--reveal")
	var deadLetter struct {
		Hint, Message, Code, Seqno string
		Trace                      string `json:"traceparent"`
		Record                     struct {
			Value   string
			Headers []struct{ Name, Value string }
			Event   struct{ Members []struct{ Value string } }
		}
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&deadLetter); err != nil {
		t.Fatalf("%v\n%s%s", err, out, beside)
	}
	for name, got := range map[string]string{
		"reason": deadLetter.Hint, "field": deadLetter.Message, "code": deadLetter.Code, "seqno": deadLetter.Seqno, "traceparent": deadLetter.Trace,
		"a member": deadLetter.Record.Event.Members[1].Value, "a header": deadLetter.Record.Headers[1].Value, "a header's name": deadLetter.Record.Headers[1].Name,
	} {
		if got != hostile {
			t.Errorf("%s: %q", name, got)
		}
	}
	if !strings.Contains(deadLetter.Record.Value, "粤") || !strings.Contains(deadLetter.Record.Value, "\u202e") {
		t.Errorf("the value: %q", deadLetter.Record.Value)
	}
}

// A value's own line end is no line end of ours, and who reads the output can tell what the
// value was.
func TestCheckTellsAValuesLineEndFromItsOwn(t *testing.T) {
	t.Setenv("LC_ALL", "C") // the language of the texts below
	dir := t.TempDir()
	event := `{"park_uuid":"p","flow_no":"f","parking_serial":"s","plate":"粤B12345","reason":"a\nother.json: would be sent","operator":"\\n","car_desc":"\"x\""}`
	name := filepath.Join(dir, "e\nother.json: would be sent.json")
	if err := os.WriteFile(name, []byte(event), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, beside := said(t, "check", name)
	for _, want := range []string{
		`"` + dir + `/e\nother.json: would be sent.json": would be sent` + "\n", `  plate           粤B12345` + "\n", `  reason          "a\nother.json: would be sent"` + "\n",
		`  operator        \n` + "\n", `  car_desc        "\"x\""` + "\n", `reason=a\nother.json`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not there: %s", want)
		}
	}
	if code != console.ExitAsked || strings.Contains(out, "\nother.json") {
		t.Errorf("%d\n%s%s", code, out, beside)
	}
}

// A log line is clean in both formats, and a JSON one means the same.
func TestLogLinesSteerNoTerminal(t *testing.T) {
	for _, format := range []settings.Format{settings.FormatJSON, settings.FormatText} {
		var lines bytes.Buffer
		queue := telemetry.NewQueue(visible.NewWriter(&lines), format)
		slog.New(telemetry.NewLogHandler(queue, slog.LevelInfo, format)).Info(hostile, "host", hostileBytes, hostile, hostile, "err", errors.New(hostileBytes))
		queue.Flush(time.Minute)
		mustBeClean(t, string(format), lines.String())
		if strings.Count(lines.String(), "\n") != 1 {
			t.Errorf("%s: not one line: %q", format, lines.String())
		}
		if format == settings.FormatJSON {
			var line map[string]any
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line["msg"] != hostile || line[hostile] != hostile {
				t.Errorf("%v %q", err, line)
			}
		}
	}
}

// Errors that were joined are told in a line each; whatever lines their texts have.
func TestAnErrorIsOneLine(t *testing.T) {
	one, two := errors.New("one\nforged: line"), errors.New("two")
	for want, err := range map[string]error{
		`one\nforged: line`:                     one,
		"two\n" + `one\nforged: line`:           errors.Join(two, one),
		"two\n" + `one\nforged: line` + "\ntwo": errors.Join(errors.Join(two, one), two),
		`two, one\nforged: line`:                fmt.Errorf("%w, %w", two, one),
		`why: two\none\nforged: line`:           fmt.Errorf("why: %w", errors.Join(two, one)),
	} {
		var out bytes.Buffer
		if code := exitCode(err, &out); code != console.ExitFailed || out.String() != "release-forwarder: "+want+"\n" {
			t.Errorf("%d, %q, want %q", code, out.String(), want)
		}
	}
}

// There is one way out: whoever takes another one goes past the border.
func TestThereIsOneWayOut(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "chaos" || d.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(source)) {
			if strings.Contains(line, "os.Stdout") || strings.Contains(line, "os.Stderr") {
				if line = path + ": " + strings.TrimSpace(line); !slices.Contains(waysOut, line) {
					t.Errorf("%s: write to the command's output instead", line)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// waysOut is where the process's own files are named.
var waysOut = []string{
	"main.go: os.Exit(execute(console.StopSignal(), os.Args[1:], os.Stdout))",
	"main.go: out := console.NewOutput(stdout, os.Stderr)",
	"cli/console/stop.go: lines := telemetry.NewQueue(os.Stderr, settings.FormatText) // a slow reader must not hold up the end", // a constant
	"telemetry/telemetry.go: cfg.Writer = os.Stderr",                                                                             // for tests; the service names a writer
}
