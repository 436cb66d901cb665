package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// nearScenarios: KAFKA_CLIENT_RACK names a broker that is near.
func nearScenarios() []scenario {
	return []scenario{
		{name: "near replica: it is fetched from; killed, and back", run: nearReplica("kill", "start"), notOn: threeBrokers, disturbs: true},
		{name: "near replica: it is fetched from; frozen, and back", run: nearReplica("pause", "resume"), notOn: threeBrokers, disturbs: true},
	}
}

// The brokers of the near replica's topic; kafka.sh gives broker I the rack rack-I.
const (
	nearLeads = 1
	near      = 2
)

// nearReplica looks into the brokers' own request logs: who was asked for records.
func nearReplica(breaks, mends string) func(t *testing.T) {
	return func(t *testing.T) {
		b := kafka.(*realBackend) // the only backend of three brokers
		w := newWorld(t, plan{noTopic: true})
		w.createOn(w.topic, weak, nearLeads, near, 3)
		b.logRequests(t, w)
		logs := &requestLogs{b: b, client: w.topic, read: make([]int64, b.n)}
		f := w.start("KAFKA_CLIENT_RACK", "rack-"+strconv.Itoa(near), "KAFKA_CLIENT_ID", w.topic).ready()
		w.produce(w.releases(10, 1)...)
		w.drained()
		t.Cleanup(func() { _, _ = b.script(mends, strconv.Itoa(near)) })

		said := ""
		defer func() { evidence.add(t.Name(), "-", said, "-") }()
		step := func(what string, want int) {
			t.Helper()
			from, took := w.fetchedFrom(logs, want)
			said += fmt.Sprintf("%s: %s; ", what, took)
			if from != want {
				t.Errorf("%s: records come from broker %d, want %d (%s)", what, from, want, took)
			}
		}
		if step("all well", near); t.Failed() {
			return
		}
		if _, err := b.script(breaks, strconv.Itoa(near)); err != nil {
			t.Fatal(err)
		}
		w.connect()
		e := w.release(0)
		w.produce(e)
		begun := time.Now() // the leader has it, and may hand it out
		w.acceptedAll(e)
		if took := time.Since(begun); took > soon {
			t.Errorf("near one away: the next record was sent %v after it was written", took)
		} else {
			said += fmt.Sprintf("near one away: the next record was sent after %.1fs; ", took.Seconds())
		}
		step("near one away", nearLeads)
		if _, err := b.script(mends, strconv.Itoa(near)); err != nil {
			t.Fatal(err)
		}
		w.connect()
		within(t, soon, "the broker is named again, and logs requests", func() error { // it has forgotten that
			w.client.ForceMetadataRefresh()
			return b.requestsLevel(w, near, "DEBUG")
		})
		step("near one back", near)
		w.drained()
		f.stop()
		w.noDeadLetters()
	}
}

// fetchedFrom produces one by one until the records of 20 in a row came from the broker,
// as the brokers' request logs tell; it gives who it was at last, and how long it took.
func (w *world) fetchedFrom(logs *requestLogs, want int) (from int, took string) {
	w.t.Helper()
	const row = 20
	begun, streak := time.Now(), 0
	for time.Since(begun) < 75*time.Second && streak < row {
		logs.news(w.t)
		e := w.release(0)
		w.produce(e)
		w.acceptedAll(e)
		within(w.t, soon, "a request log tells who was asked", func() error {
			from = logs.news(w.t)
			if from == 0 {
				return errNone
			}
			return nil
		})
		if streak++; from != want {
			streak = 0
		}
	}
	return from, fmt.Sprintf("broker %d after %.1fs", from, time.Since(begun).Seconds())
}

// requestLogs reads what the brokers' request logs tell of a client's fetches.
type requestLogs struct {
	b      *realBackend
	client string
	read   []int64 // of each broker's log, in bytes
}

// news is a broker that has answered a fetch with records since the last call; 0: none.
func (l *requestLogs) news(t testing.TB) (broker int) {
	t.Helper()
	for i := range l.b.n {
		file, err := os.Open(filepath.Join(l.b.run, strconv.Itoa(i+1), "log"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(io.NewSectionReader(file, l.read[i], 1<<40))
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
		text = text[:bytes.LastIndexByte(text, '\n')+1] // the rest is written next
		l.read[i] += int64(len(text))
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"clientId":"`+l.client+`"`) && brought(line) {
				broker = i + 1
			}
		}
	}
	return broker
}

// brought reports whether a line of a request log tells of a fetch that brought records.
func brought(line string) bool {
	_, text, found := strings.Cut(line, "Completed request:")
	if !found {
		return false
	}
	var request struct {
		RequestHeader struct {
			RequestApiKeyName string //nolint:revive // Kafka's spelling
		}
		Response struct {
			Responses []struct {
				Partitions []struct{ RecordsSizeInBytes int64 }
			}
		}
	}
	if json.NewDecoder(strings.NewReader(text)).Decode(&request) != nil || request.RequestHeader.RequestApiKeyName != "FETCH" {
		return false
	}
	for _, topic := range request.Response.Responses {
		for _, p := range topic.Partitions {
			if p.RecordsSizeInBytes > 0 {
				return true
			}
		}
	}
	return false
}

// logRequests lets the brokers log each request, until the test ends.
func (b *realBackend) logRequests(t testing.TB, w *world) {
	t.Helper()
	set := func(level string) {
		for i := 1; i <= b.n; i++ {
			if err := b.requestsLevel(w, i, level); err != nil {
				t.Error(err)
			}
		}
	}
	set("DEBUG")
	t.Cleanup(func() { w.connect(); set("WARN") })
}

// requestsLevel sets the level of a broker's request log.
func (*realBackend) requestsLevel(w *world, broker int, level string) error {
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBrokerLogger, strconv.Itoa(broker)
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = "kafka.request.logger", kmsg.StringPtr(level)
	r.Configs = append(r.Configs, c)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, r)
	answer, err := w.client.Broker(broker).Request(context.Background(), req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
}
