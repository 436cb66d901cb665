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

// The ledger is a compacted topic beside the dead letters', read and written in
// its partition 0. A record's key begins with the version of its format; what
// begins with another is another version's: it is neither read nor, since
// compaction goes by key, ever replaced by ours. The keys of this version are
//
//	1/letter/<partition>/<offset>   what was decided about a letter
//	1/lock                          who may replay now: see lease
//
// Values are JSON objects. Members that are not known are ignored; a value that
// cannot be read, or states another version, is passed over. Either way a letter
// counts as open, and the worst that follows is that it is sent again.
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

// State is what became of a letter.
type State string

// The states. A letter that no entry tells of is open.
const (
	Open     State = "open"
	Replayed State = "replayed" // its event was sent, and the broker confirmed it
	Closed   State = "closed"   // a person dealt with it otherwise
)

// Entry is what the ledger tells of a letter.
type Entry struct {
	State State     `json:"state"`
	At    time.Time `json:"at"`
	By    string    `json:"by"`            // who decided
	Why   string    `json:"why,omitempty"` // of a closed letter
	To    string    `json:"to,omitempty"`  // of a replayed letter: topic/partition/offset
	// Changed says that the event was sent with other fields than the letter's.
	Changed bool `json:"changed,omitempty"`
}

// letterEntry is an Entry as it stands in the ledger.
type letterEntry struct {
	V int `json:"v"`
	// Written is the letter's timestamp: where the dead-letter topic was made anew,
	// another letter lies at the same offset, and the entry must not hide it.
	Written int64 `json:"written"`
	Entry
}

// lockEntry is a link in the chain that says who may replay.
type lockEntry struct {
	V      int       `json:"v"`
	Holder string    `json:"holder"` // a token of one run
	By     string    `json:"by"`     // who runs it, for people
	At     time.Time `json:"at"`     // for people: nothing is decided by it
	// After is the offset of the last link that counted when this one was written,
	// −1 for none. A link that names another does not count.
	After    int64 `json:"after"`
	Released bool  `json:"released,omitempty"`
	// Sending are the letters (partition/offset) that are sent once this link
	// counts. Until they have entries of their own it is not known whether they were.
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

// mustJSON encodes what always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("dlq: an entry is always JSON: " + err.Error())
	}
	return b
}

// decoded is a ledger record that was understood: a letter's or a lock's.
type decoded struct {
	partition int32
	offset    int64
	letter    letterEntry // Open where the entry was taken back (a tombstone)
	lock      *lockEntry  // nil with a letter
}

// decode reads a ledger record; false where it is not this version's or damaged.
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

// unmarshal wants one JSON object.
func unmarshal(value []byte, into any) bool {
	return bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")) && json.Unmarshal(value, into) == nil
}
