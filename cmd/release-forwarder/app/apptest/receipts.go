package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReceiptsTopic is the topic of the receipts. A world does not have it before CreateReceipts.
const ReceiptsTopic = "events.receipts"

// ReceiptsKey is the newest key in the file of ReceiptsSettings.
const ReceiptsKey = "0123456789abcdef0123456789abcdef"

// Receipt is what these tests look at of a receipt's value.
type Receipt struct {
	V         int
	Lot       string
	Topic     string
	Partition int32
	Offset    int64
	Verdict   string
	Reason    string
	Code      string
	Seqno     string
	Attempts  int
	First     time.Time `json:"first_attempt"`
	Last      time.Time `json:"last_attempt"`
	Signed    string

	Record *kgo.Record `json:"-"`
}

// ReceiptsSettings are settings with which a replica writes receipts.
func (w *World) ReceiptsSettings() []string {
	w.T.Helper()
	file := filepath.Join(w.T.TempDir(), "receipts-key")
	if err := os.WriteFile(file, []byte(ReceiptsKey+"\n"+"an older key, which no new receipt is of\n"), 0o600); err != nil {
		w.T.Fatal(err)
	}
	return []string{"RECEIPTS_TOPIC", ReceiptsTopic, "RECEIPTS_KEY_FILE", file}
}

// CreateReceipts creates the topic of the receipts, with three partitions.
func (w *World) CreateReceipts() {
	w.T.Helper()
	if err := w.Cluster.CreateTopic(ReceiptsTopic, 3, nil); err != nil {
		w.T.Fatal(err)
	}
}

// Receipts reads all receipts that were written so far.
func (w *World) Receipts() []Receipt {
	w.T.Helper()
	all, err := ReadReceipts(w.Kafka, w.Cluster.ListenAddrs(), w.Net.Dial)
	if err != nil {
		w.T.Fatal(err)
	}
	return all
}

// ReadReceipts reads all receipts that were written so far.
func ReadReceipts(client *kgo.Client, brokers []string, dial func(context.Context, string, string) (net.Conn, error)) (all []Receipt, err error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(context.Background(), ReceiptsTopic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, err
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.Dialer(dial), kgo.ConsumeTopics(ReceiptsTopic))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for left > 0 {
		for _, rec := range c.PollFetches(context.Background()).Records() {
			r := Receipt{Record: rec}
			if err := json.Unmarshal(rec.Value, &r); err != nil {
				return nil, fmt.Errorf("%w: %s", err, rec.Value)
			}
			all = append(all, r)
			left--
		}
	}
	return all, nil
}
