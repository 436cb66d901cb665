package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/sandbox/faults"
	"release-forwarder/cmd/sandbox/screen"
)

func TestEveryCommandExplainsItselfWithAnExample(t *testing.T) {
	for _, args := range []string{"--help", "run --help", "kafka --help", "platform --help", "lanes --help"} {
		t.Run(args, func(t *testing.T) {
			parser := newParser()
			var out bytes.Buffer
			code := -1
			parser.Stdout, parser.Exit = &out, func(c int) { code = c; panic(args) }
			func() {
				defer func() { _ = recover() }() // --help ends the program
				_, _ = parser.Parse(strings.Fields(args))
			}()
			if code != 0 || !strings.Contains(out.String(), "Example: ") {
				t.Errorf("exit code %d, printed:\n%s", code, out.String())
			}
		})
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range []string{
		"--rate 0", "--spoilt 2", "--lots 0", "--partitions 0", "--faults flood@1s", "--for soon",
		"kafka --partitions 0", "kafka --port 70000", "platform --port -1", "platform --faults errors@1", "lanes", "lanes --brokers b --rate -1", "jungle",
	} {
		t.Run(args, func(t *testing.T) {
			t.Setenv("KAFKA_BROKERS", "")
			if _, err := newParser().Parse(strings.Fields(args)); err == nil {
				t.Error("taken")
			}
		})
	}
}

func TestTheDefaultFaultsAreASchedule(t *testing.T) {
	schedule, err := faults.Parse(defaultFaults)
	if err != nil || len(schedule) == 0 {
		t.Errorf("%v, %v", schedule, err)
	}
}

// alone starts a part by its command line and waits for a line that begins so;
// it returns the rest of that line.
func alone(t *testing.T, begins string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "printed")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	command, err := newParser().Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	command.BindTo(ctx, (*context.Context)(nil))
	ended := make(chan error, 1)
	go func() { ended <- command.Run(screen.New(file), &processes{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		file.Close()
	})
	for {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, found := strings.CutPrefix(strings.TrimRight(line, "\n"), begins); found {
				return rest
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("ended with %v after\n%s", err, text)
		default:
		}
	}
}

func TestLanesAloneFillAKafkaAlone(t *testing.T) {
	brokers := alone(t, "KAFKA_BROKERS=", "kafka", "--topic", "events", "--partitions", "3")
	printed, err := run(t.Context(), t, "lanes", "--brokers", brokers, "--topic", "events", "--rate", "500", "--for", "200ms")
	if err != nil || !strings.Contains(printed, "produced") {
		t.Fatalf("%v\n%s", err, printed)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics("events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if fetches := client.PollFetches(t.Context()); fetches.Err() != nil || fetches.NumRecords() == 0 {
		t.Errorf("%d records, %v", fetches.NumRecords(), fetches.Err())
	}
}

func TestLanesWithoutATopicSaySo(t *testing.T) {
	brokers := alone(t, "KAFKA_BROKERS=", "kafka")
	if printed, err := run(t.Context(), t, "lanes", "--brokers", brokers, "--topic", "not-there", "--for", "100ms"); err == nil {
		t.Errorf("ends well:\n%s", printed)
	}
}

func TestThePlatformAloneAnswers(t *testing.T) {
	url := alone(t, "UPSTREAM_URL=", "platform", "--latency", "0s", "--faults", "errors@1h+1s")
	response, err := http.Post(url, "application/x-www-form-urlencoded; charset=UTF-8", strings.NewReader("park_uuid=p"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("an unsigned request is answered %s", response.Status)
	}
}
