package audit

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// world is apptest's, with what the tests here need.
type world struct{ *apptest.World }

// inVirtualTime runs a test in a bubble of virtual time.
func inVirtualTime(t *testing.T, partitions int32, test func(w *world)) {
	t.Helper()
	apptest.InVirtualTime(t, partitions, func(w *apptest.World) { test(&world{w}) })
}

// entriesIgnored is a mapping file by which entries are ignored.
const entriesIgnored = `
profiles:
  - name: entries
    when: {value: {kind: entry}}
    ignore: true
  - name: releases
    fields:
      park_uuid:      {from: park_uuid}
      flow_no:        {from: flow_no}
      parking_serial: {from: parking_serial}
      plate:          {from: plate}
`

// receiptsOn gives the world a topic of receipts, the settings with it, and a mapping by which entries are ignored.
func (w *world) receiptsOn() (keyFile string) {
	w.T.Helper()
	w.CreateReceipts()
	file := filepath.Join(w.T.TempDir(), "mapping.yaml")
	if err := os.WriteFile(file, []byte(entriesIgnored), 0o600); err != nil {
		w.T.Fatal(err)
	}
	s := append(w.ReceiptsSettings(), "MAPPING_FILE", file)
	for i := 0; i < len(s); i += 2 {
		w.T.Setenv(s[i], s[i+1])
	}
	return s[3]
}

// audit runs the command and gives what it prints, and what it says beside.
func (w *world) audit(c Command, input ...string) (out, said string, err error) {
	w.T.Helper()
	if c.Limit == 0 {
		c.Limit = 1000
	}
	out, said, err = w.Command(&c, input...)
	if strings.Contains(out+said, "粤") {
		w.T.Errorf("a plate is shown:\n%s%s", out, said)
	}
	return out, said, err
}

// object is one line of --json.
type object map[string]any

// text gives the members of a line in a fixed order.
func (o object) text(names ...string) string {
	var parts []string
	for _, name := range names {
		part, _ := json.Marshal(o[name])
		parts = append(parts, strings.Trim(string(part), `"`))
	}
	return strings.Join(parts, " ")
}

// objects reads what --json printed.
func (w *world) objects(out string) (all []object) {
	w.T.Helper()
	for line := range strings.Lines(out) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			w.T.Fatalf("%v: %s", err, line)
		}
		all = append(all, o)
	}
	return all
}

// of are the lines of a kind, as text.
func of(all []object, kind string, names ...string) (texts []string) {
	for _, o := range all {
		if o["kind"] == kind {
			texts = append(texts, o.text(names...))
		}
	}
	return texts
}

// writeAgain writes a receipt once more, its value changed.
func (w *world) writeAgain(x apptest.Receipt, change func(value map[string]any)) {
	w.T.Helper()
	var value map[string]any
	if err := json.Unmarshal(x.Record.Value, &value); err != nil {
		w.T.Fatal(err)
	}
	if change != nil {
		change(value)
	}
	bytes, err := json.Marshal(maps.Clone(value))
	if err != nil {
		w.T.Fatal(err)
	}
	w.put(&kgo.Record{Partition: x.Record.Partition, Key: x.Record.Key, Value: bytes})
}

// put writes a record to the topic of receipts.
func (w *world) put(r *kgo.Record) {
	w.T.Helper()
	r.Topic = apptest.ReceiptsTopic
	if err := w.Kafka.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		w.T.Fatal(err)
	}
}

// receiptOf is the first receipt of an event.
func (w *world) receiptOf(partition int32, offset int64) apptest.Receipt {
	w.T.Helper()
	all := w.Receipts()
	i := slices.IndexFunc(all, func(x apptest.Receipt) bool { return x.Partition == partition && x.Offset == offset })
	if i < 0 {
		w.T.Fatalf("no receipt of %d/%d", partition, offset)
	}
	return all[i]
}
