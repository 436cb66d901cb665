package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/consumer/wire"
	"release-forwarder/dlq"
)

// anEvent could be sent.
const anEvent = `{"park_uuid":"lot-1","flow_no":"F1","parking_serial":"S1","plate":"粤B12345"}`

// printing are commands that print and, but for that, succeed.
func printing(t *testing.T) []string {
	t.Helper()
	good := filepath.Join(t.TempDir(), "good.json")
	if err := os.WriteFile(good, []byte(anEvent), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := []string{
		"dlq stats", "dlq stats --json", "dlq stats --reason bad-time", "dlq list", "dlq list --json", "dlq show 0/0", "dlq show 0/0 --json", "dlq export",
		"dlq replay --dry-run", "dlq replay --id 0/0", "dlq replay --reason bad-time", "dlq close 0/1 --why test",
		"find --lot lot-1", "find --lot lot-1 --json", "audit --since 1h", "audit --since 1h --json", "audit --verify --since 1h", "offsets", "offsets --json", "doctor", "doctor --json", "check " + good, "config", "version",
	}
	tried(t, lines)
	return lines
}

// posted makes a Kafka with two open dead letters, and sets the environment for
// it.
func posted(t *testing.T) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events", "events.dlq", "events.receipts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	address := strings.Join(cluster.ListenAddrs(), ",")
	key := filepath.Join(t.TempDir(), "receipts-key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"KAFKA_BROKERS": address, "KAFKA_TOPIC": "events", "KAFKA_GROUP_ID": "group", "UPSTREAM_URL": "http://127.0.0.1:1/update",
		"UPSTREAM_APP_ID": "app", "UPSTREAM_APP_SECRET": "secret", "RECEIPTS_TOPIC": "events.receipts", "RECEIPTS_KEY_FILE": key,
	} {
		t.Setenv(name, value)
	}
	w := wire.New(t.Context(), wire.Config{Brokers: cluster.ListenAddrs(), Topics: []string{"events.dlq"}})
	p := dlq.NewPublisher(dlq.Config{Wire: w, Timeout: time.Minute, Topic: "events.dlq", Group: "group"})
	defer p.Close()
	done := make(chan error)
	for i := range int64(2) {
		l := dlq.Letter{Topic: "events", Offset: i, Timestamp: time.Now().UnixMilli(), Value: []byte(anEvent), Stage: dlq.StageUpstream, Reason: dlq.ReasonRefused}
		p.Publish(context.Background(), &l, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// executed runs a command as main does, and gives what it says beside.
func executed(t *testing.T, command string, stdout *os.File) (code int, beside string) {
	t.Helper()
	return executedWith(t, stdout, strings.Fields(command)...)
}

// executedWith is executed with arguments that may hold anything.
func executedWith(t *testing.T, stdout *os.File, args ...string) (code int, beside string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	terminal := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = terminal }()
	code = execute(console.Stopper{Context: t.Context()}, args, stdout)
	said, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(said)
}

// A full disk makes every command that prints end with 1, and say so.
func TestAFullDiskIsTold(t *testing.T) {
	posted(t)
	defer signal.Reset(syscall.SIGPIPE)
	for _, command := range printing(t) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		code, beside := executed(t, command, full)
		if code != console.ExitFailed || strings.Count(beside, "the output cannot be written: ") != 1 || !strings.Contains(beside, syscall.ENOSPC.Error()) {
			t.Errorf("%s: %d, %s", command, code, beside)
		}
		full.Close()
	}
}

// What check ends with is told in Chinese from the command line on to the last line of its output.
func TestCheckEndsInChinese(t *testing.T) {
	defer signal.Reset(syscall.SIGPIPE)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for command, want := range map[string]string{
		"chekc --lang zh":               "release-forwarder: 没有命令 chekc；是否应为 \"check\"？\nrelease-forwarder: \"release-forwarder check --lang zh --help\" 列出全部选项\n",
		"check --lang zh --at":          "release-forwarder: --at：缺少值\nrelease-forwarder: \"release-forwarder check --lang zh --help\" 列出全部选项\n",
		"check --lang zh missing.json":  "release-forwarder: missing.json：无法读取：没有这个文件\n",
		"check --lang zh --schema":      "release-forwarder: 无法写出输出：/dev/full：磁盘已满\n",
		"check --lang zh input_test.go": "release-forwarder: 无法写出输出：/dev/full：磁盘已满\n",
	} {
		if code, beside := executed(t, command, full); code != console.ExitFailed || beside != want {
			t.Errorf("%s: %d, %s", command, code, beside)
		}
	}
	t.Setenv("EVENT_TIMEZONE", "nowhere")
	if code, beside := executed(t, "check --lang zh", full); code != console.ExitWrong || beside != "EVENT_TIMEZONE: 不是时区；请给出 IANA 名称，如 Asia/Shanghai 或 UTC\n" {
		t.Errorf("%d, %s", code, beside)
	}
}

// No one reads any longer (| head): that is no failure, and whatever else a command
// does is done.
func TestAClosedPipeEndsQuietly(t *testing.T) {
	posted(t)
	defer signal.Reset(syscall.SIGPIPE)
	for _, command := range printing(t) {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		code, beside := executed(t, command, write)
		if code != console.ExitAsked || strings.Contains(beside, "written: ") || strings.Contains(beside, syscall.EPIPE.Error()) {
			t.Errorf("%s: %d, %s", command, code, beside)
		}
		write.Close()
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if code, beside := executed(t, "dlq close 0/0 0/1 --why again", null); code != console.ExitAsked {
		t.Errorf("%d, %s", code, beside)
	}
	for _, s := range []string{"dlq replay --id 0/0", "dlq replay --id 0/1"} {
		if _, beside := executed(t, s, null); !strings.Contains(beside, "passed over: ") {
			t.Errorf("%s is still to be done: %s", s, beside)
		}
	}
}
