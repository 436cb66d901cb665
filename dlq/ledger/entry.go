package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"release-forwarder/consumer/fetch"
	"release-forwarder/dlq"
)

// The keys and values of the ledger's records: doc.go has the format.
const (
	suffix        = ".ledger"
	version       = 1
	onlyPartition = 0 // others are not used
	letterKey     = "1/letter/"
	lockKey       = "1/lock"
	maxEntryBytes = 64 << 10
	// MaxWhy bounds the reason given for closing a letter, in bytes.
	MaxWhy = 1024
)

// Topic is the name of the ledger of a dead-letter topic.
func Topic(deadLetters string) string { return deadLetters + suffix }

// Entry is the decision about a letter.
type Entry struct {
	State dlq.State `json:"state"`
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

func encodeLetter(id dlq.ID, written int64, e Entry) (key, value []byte) {
	return letterName(id.Partition, id.Offset), mustJSON(letterEntry{V: version, Written: written, Entry: e})
}

// letterName is the key of a letter's entry.
func letterName(partition int32, offset int64) []byte {
	return fmt.Appendf(nil, "%s%d/%d", letterKey, partition, offset)
}

func encodeLock(l lockEntry) (key, value []byte) {
	l.V = version
	return []byte(lockKey), mustJSON(l)
}

// mustJSON encodes a value that can always be encoded.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("ledger: an entry is always JSON: " + err.Error())
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
		ok = unmarshal(rec.Value, d.lock) && d.lock.V == version && d.lock.Holder != "" && d.lock.After >= -1 && d.lock.After < rec.Offset
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
		d.letter.State = dlq.Open
		return d, true
	}
	e := &d.letter
	return d, unmarshal(rec.Value, e) && e.V == version && (e.State == dlq.Replayed || e.State == dlq.Closed)
}

// unmarshal reads one JSON object.
func unmarshal(value []byte, into any) bool {
	return bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")) && json.Unmarshal(value, into) == nil
}
