package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What a run asks of receipts. Unless the command line says, the seed does: odd ones require them.
const (
	receiptsRequired = "required"
	receiptsOptional = "optional"
	receiptsNone     = "none"
)

func receiptsOf(seed uint64) string {
	if seed%2 == 1 {
		return receiptsRequired
	}
	return receiptsOptional
}

// receiptsKey is the newest key of the file that the forwarders read.
const receiptsKey = "chaos-receipts-key-0123456789abcdef"

// receiptsLate is after what time the commit passes a receipt that is not required (docs/reference/receipts.md).
const receiptsLate = 5 * time.Second

// receiptSettings are the settings of a forwarder that writes receipts.
func receiptSettings(dir, receipts string) ([]string, error) {
	if receipts == receiptsNone {
		return nil, nil
	}
	file := filepath.Join(dir, "receipts-key")
	if err := os.WriteFile(file, []byte(receiptsKey+"\nan-older-key-that-no-receipt-here-is-of\n"), 0o600); err != nil {
		return nil, err
	}
	return []string{
		"RECEIPTS_TOPIC=" + receiptsTopic, "RECEIPTS_KEY_FILE=" + file, fmt.Sprintf("RECEIPTS_REQUIRED=%t", receipts == receiptsRequired),
	}, nil
}

// receipt is a record of the receipts' topic. It is read by docs/reference/receipts.md, with no code of the forwarder.
type receipt struct {
	appended time.Time // by the broker's clock, in whole milliseconds
	key      string

	V          int
	Lot        string
	Topic      string
	Partition  int32
	Offset     int64
	RecordTime time.Time `json:"record_time"`
	Verdict    string
	Reason     string
	Code       string
	Seqno      string
	Attempts   int
	First      time.Time `json:"first_attempt"`
	Last       time.Time `json:"last_attempt"`
	Signed     string
}

// receipts reads the whole topic of the receipts, in the order of each partition.
func (k *kafkaLog) receipts(ctx context.Context) ([]receipt, error) {
	records, err := k.read(ctx, receiptsTopic)
	var all []receipt
	for _, r := range records {
		one := receipt{appended: r.Timestamp, key: string(r.Key)}
		if err := json.Unmarshal(r.Value, &one); err != nil {
			return nil, fmt.Errorf("receipt in partition %d offset %d: %w", r.Partition, r.Offset, err)
		}
		all = append(all, one)
	}
	return all, err
}

// digest is a digest of receipts, as docs/reference/receipts.md defines it.
func digest(text string) string {
	h := hmac.New(sha256.New, []byte(receiptsKey))
	h.Write([]byte(text))
	return string(h.Sum(nil))
}

// signedString is the string that is signed for an event of load, with the secret as a receipt has it
// (docs/platform-api.md).
func signedString(lot, flow, serial, plate string) string {
	return fmt.Sprintf("app_id=%s&car_type=1&flow_no=%s&park_uuid=%s&parking_serial=%s&plate=%s&app_secret=***", appID, flow, lot, serial, plate)
}

// wrong says what in a receipt is not so, by the event at its place and by what the platform saw of it; "" for
// nothing.
func (x receipt) wrong(e entry, v *visits) string {
	switch {
	case x.V != 1 || x.Topic != eventTopic || x.Lot != e.lot:
		return "version, topic or lot"
	case x.key != digest(e.lot+"\x00"+e.flow):
		return "key"
	case !x.RecordTime.Equal(e.produced.Truncate(time.Millisecond)):
		return "record_time"
	case x.Verdict != "accepted" || x.Reason != "" || x.Code != "1001":
		return "verdict, reason or code"
	case x.Signed != hex.EncodeToString([]byte(digest(e.signed))):
		return "signed"
	case x.Attempts < 1 || x.First.After(x.Last):
		return "attempts"
	}
	if v != nil {
		for _, accept := range v.accepts {
			// It tells of this answer: the request was sent before, the receipt written after.
			if accept.seqno == x.Seqno && !x.Last.After(accept.at) && x.appended.Add(time.Millisecond).After(accept.at) {
				return ""
			}
		}
	}
	return "seqno or times"
}

// place is where an event is.
type place struct {
	partition int32
	offset    int64
}

// receipted gives when the first receipt of each event was appended that says what is so, and counts the others.
func (a *account) receipted(r records) map[place]time.Time {
	events := make(map[place]entry, len(r.log))
	for _, e := range r.log {
		events[place{e.partition, e.offset}] = e
	}
	first := map[place]time.Time{}
	for _, x := range r.receipts {
		at := place{x.Partition, x.Offset}
		wrong := "place: no event is there"
		if e, is := events[at]; is {
			wrong = x.wrong(e, r.flows[e.flow])
		}
		if wrong != "" {
			a.note(&a.FalseReceipts, "receipt of partition %d offset %d, %s: not so: %s", x.Partition, x.Offset, clock(x.appended), wrong)
			continue
		}
		if t, is := first[at]; !is || x.appended.Before(t) {
			first[at] = x.appended
		}
	}
	a.Receipts, a.Receipted = len(r.receipts), len(first)
	return first
}

// unreceipted counts the events without a receipt, and those of them that nobody counted as missing.
func (a *account) unreceipted(r records, receipted map[place]time.Time) {
	if r.asked == receiptsNone {
		return
	}
	a.CountedMissing = r.missing
	unknown := 0 // perhaps counted by a forwarder between its count and its kill
	var first entry
	for _, e := range r.log {
		v := r.flows[e.flow]
		if _, has := receipted[place{e.partition, e.offset}]; has || v == nil || len(v.accepts) == 0 {
			continue // or lost, which is told elsewhere
		}
		if a.Unreceipted++; a.Unreceipted == 1 {
			first = e
		}
		if slices.ContainsFunc(r.faults, func(f injected) bool { return f.hidesCount(v) }) {
			unknown++
		}
	}
	switch {
	case r.asked == receiptsRequired:
		a.NotCounted, a.MissingButRequired = a.Unreceipted, r.missing
	case a.Unreceipted > r.missing+unknown:
		a.NotCounted = a.Unreceipted - r.missing - unknown
	}
	if a.NotCounted > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("no receipt for partition %d offset %d, accepted %s, for one", first.partition, first.offset,
			clock(r.flows[first.flow].accepts[0].at)))
	}
}

// hidesCount reports whether a forwarder that had the event accepted was killed before its count of missing receipts
// could be read: the count is read just before a kill, and a receipt is missing a while after the acceptance.
func (f injected) hidesCount(v *visits) bool {
	return f.Kind == killForwarder && slices.ContainsFunc(v.accepts, func(accept acceptance) bool {
		return accept.by == f.On && !f.begun.Before(accept.at) && f.begun.Sub(accept.at) <= receiptsLate+slack
	})
}

// missingMetric counts the receipts that a process gave up (docs/reference/metrics.md).
const missingMetric = "release_forwarder_receipts_missing_total"

// count adds what the forwarder's process has counted as missing since its start. Call it once for each process, at
// the end of its life.
func (f *forwarder) count() error {
	n, err := missingAt(f.admin)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil // it has just started: it listens before it reads
	}
	if err != nil {
		return fmt.Errorf("forwarder %d: what it counted as missing: %w", f.number, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missing += n
	return nil
}

func (f *forwarder) countedMissing() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing
}

func missingAt(admin string) (int, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), missingMetric+" "); found {
			n, err := strconv.ParseFloat(value, 64)
			return int(n), err
		}
	}
	return 0, fmt.Errorf("%s is not on the page", missingMetric)
}

// verified asks the command audit, which knows nothing of this run, whether each event has its receipt, and holds its
// answer against the account.
func (f *forwarder) verified(ctx context.Context, a *account) error {
	command := exec.CommandContext(ctx, f.binary, "audit", "--verify", "--since", "24h", "--json")
	command.Env = f.env
	out, err := command.Output()
	exit := 0
	if ended, is := errors.AsType[*exec.ExitError](err); is {
		exit = ended.ExitCode()
	} else if err != nil {
		return fmt.Errorf("audit --verify: %w", err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var end struct {
		Kind                                              string
		Events, Accepted, Open, Missing, Unknown, Ignored int
	}
	if err := json.Unmarshal(lines[len(lines)-1], &end); err != nil || end.Kind != "end" {
		return fmt.Errorf("audit --verify exits with %d, and its last line is %s", exit, lines[len(lines)-1])
	}
	if end.Events != a.Records || end.Accepted != a.Receipted || end.Missing != a.Records-a.Receipted || end.Open+end.Unknown+end.Ignored != 0 || (exit == 1) != (end.Missing > 0) {
		return fmt.Errorf("audit --verify says, with exit code %d, %s", exit, lines[len(lines)-1])
	}
	return nil
}
