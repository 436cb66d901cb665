package dlq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"release-forwarder/consumer/fetch"
)

// The ledger is a compacted topic; only its partition 0 is used. A record's key begins
// with the version of its format. Records of another version are not read, and ours never
// replace them, since compaction works by key. The keys of this version are
//
//	1/letter/<partition>/<offset>   what was decided about a letter
//	1/lock                          who may replay now: see lease
//
// Values are JSON objects. Unknown members are ignored. A value that cannot be read, or of
// another version, is skipped: its letter counts as open, and at worst is sent again.
const (
	ledgerSuffix    = ".ledger"
	ledgerVersion   = 1
	ledgerPartition = 0
	letterKey       = "1/letter/"
	lockKey         = "1/lock"
	maxEntryBytes   = 64 << 10
	// MaxWhy bounds the reason given for closing a letter, in bytes.
	MaxWhy = 1024
)

// LedgerTopic is the name of the ledger of a dead-letter topic.
func LedgerTopic(deadLetters string) string { return deadLetters + ledgerSuffix }

// State is the state of a letter.
type State string

// The states. A letter without an entry is open.
const (
	Open     State = "open"
	Replayed State = "replayed" // its event was sent, and the broker confirmed it
	Closed   State = "closed"   // a person dealt with it otherwise
)

// Entry is the decision about a letter.
type Entry struct {
	State State     `json:"state"`
	At    time.Time `json:"at"`
	By    string    `json:"by"`            // who decided
	Why   string    `json:"why,omitempty"` // of a closed letter
	To    string    `json:"to,omitempty"`  // of a replayed letter: topic/partition/offset
	// Changed says that the event was sent with other fields than the letter's.
	Changed bool `json:"changed,omitempty"`
}

// letterEntry is an Entry in the ledger's format.
type letterEntry struct {
	V int `json:"v"`
	// Written is the letter's timestamp: if the dead-letter topic was recreated, another
	// letter has the same offset, and the entry must not hide it.
	Written int64 `json:"written"`
	Entry
}

// lockEntry is a link of the lock's chain.
type lockEntry struct {
	V      int       `json:"v"`
	Holder string    `json:"holder"` // a token of one run
	By     string    `json:"by"`     // who runs it, for people
	At     time.Time `json:"at"`     // for people; no decision uses it
	// After is the offset of the last link that counted when this one was written,
	// −1 for none. A link that names another does not count.
	After    int64 `json:"after"`
	Released bool  `json:"released,omitempty"`
	// Sending are the letters (partition/offset) that are sent once this link counts.
	// Until they have entries of their own it is unknown whether they were sent.
	Sending []string `json:"sending,omitempty"`
}

func encodeLetter(id ID, written int64, e Entry) (key, value []byte) {
	return letterName(id.Partition, id.Offset), mustJSON(letterEntry{V: ledgerVersion, Written: written, Entry: e})
}

// letterName is the key of a letter's entry.
func letterName(partition int32, offset int64) []byte {
	return fmt.Appendf(nil, "%s%d/%d", letterKey, partition, offset)
}

func encodeLock(l lockEntry) (key, value []byte) {
	l.V = ledgerVersion
	return []byte(lockKey), mustJSON(l)
}

// mustJSON encodes a value that can always be encoded.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("dlq: an entry is always JSON: " + err.Error())
	}
	return b
}

// decoded is a ledger record that could be read: a letter's or the lock's.
type decoded struct {
	partition int32
	offset    int64
	letter    letterEntry // Open if the entry was deleted (a tombstone)
	lock      *lockEntry  // nil with a letter
}

// decode reads a ledger record; false if it is of another version or damaged.
func decode(rec *fetch.Record) (d decoded, ok bool) {
	if len(rec.Value) > maxEntryBytes || !utf8.Valid(rec.Value) {
		return decoded{}, false
	}
	if string(rec.Key) == lockKey {
		d.lock = &lockEntry{}
		ok = unmarshal(rec.Value, d.lock) && d.lock.V == ledgerVersion && d.lock.Holder != "" && d.lock.After >= -1 && d.lock.After < rec.Offset
		return d, ok
	}
	place, is := strings.CutPrefix(string(rec.Key), letterKey)
	if !is {
		return decoded{}, false
	}
	first, second, _ := strings.Cut(place, "/")
	partition, err1 := strconv.ParseUint(first, 10, 31)
	offset, err2 := strconv.ParseUint(second, 10, 63)
	d.partition, d.offset = int32(partition), int64(offset)
	if err1 != nil || err2 != nil || string(letterName(d.partition, d.offset)) != string(rec.Key) {
		return decoded{}, false
	}
	if rec.Value == nil {
		d.letter.State = Open
		return d, true
	}
	e := &d.letter
	return d, unmarshal(rec.Value, e) && e.V == ledgerVersion && (e.State == Replayed || e.State == Closed)
}

// unmarshal reads one JSON object.
func unmarshal(value []byte, into any) bool {
	return bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")) && json.Unmarshal(value, into) == nil
}
