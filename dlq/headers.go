package dlq

import (
	"bytes"
	"fmt"
	"iter"

	"release-forwarder/consumer/fetch"
)

// MaxHeaders is how many headers a record may have to be sent, and how many a letter keeps of
// a record's. A header of two bytes in the log takes more than forty in a reader's memory: a
// record may take hundreds of times its size there.
const MaxHeaders = 4096

const (
	// keptBytes is how many bytes of headers a letter keeps of a record with too many.
	keptBytes = 64 << 10
	// brought is how many headers of this program a record may have beside its own: in a
	// replayed event they say where it began. They do not count, so that a record below
	// MaxHeaders, or its letter, is not refused when it is replayed.
	brought = 32
	// headerCost is the memory of a header beside its bytes, while it is written.
	headerCost = 64
)

var prefix, broughtPrefix = []byte(HeaderPrefix), []byte("__forwarder.")

// HeadersError says that a record has too many headers, and how many its letter keeps.
type HeadersError struct{ Headers, Kept int }

// Error returns a text with numbers only.
func (e *HeadersError) Error() string {
	return fmt.Sprintf("headers: %d, at most %d", e.Headers, MaxHeaders)
}

// CheckHeaders returns a [*HeadersError] if a record has too many headers to be sent. Such a
// record becomes a letter with only the first of them, so that the letter is no such burden
// for its readers.
func CheckHeaders(h fetch.Headers) error {
	if !tooMany(h) {
		return nil
	}
	l := Letter{Headers: h}
	return &HeadersError{h.Len(), l.kept()}
}

func tooMany(h fetch.Headers) bool {
	own := h.Len()
	if own <= MaxHeaders || own > MaxHeaders+brought {
		return own > MaxHeaders
	}
	for key := range h.All() {
		if bytes.HasPrefix(key, broughtPrefix) {
			own--
		}
	}
	return own > MaxHeaders
}

// Own yields the record's own headers, without those that have this program's prefix.
func (l *Letter) Own() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for key, value := range l.Headers.All() {
			if !bytes.HasPrefix(key, prefix) && !yield(key, value) {
				return
			}
		}
	}
}

// kept is how many of the record's own headers the letter keeps: all, or if there are too
// many, the first ones within the bounds.
func (l *Letter) kept() (n int) {
	cut, size := tooMany(l.Headers), 0
	for key, value := range l.Own() {
		if size += len(key) + len(value); cut && (n == MaxHeaders || size > keptBytes) {
			break
		}
		n++
	}
	return n
}
