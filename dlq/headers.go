package dlq

import (
	"bytes"
	"fmt"
	"iter"

	"release-forwarder/consumer/fetch"
)

// MaxHeaders is how many headers a record may have that is sent, and the most of a record's
// own that its letter keeps. Two bytes in the log are a header, and more than forty in the
// memory of whoever reads it: a record that Kafka takes may be hundreds of times its size
// there.
const MaxHeaders = 4096

const (
	// keptBytes is the most that the headers of a record which has too many take in its
	// letter.
	keptBytes = 64 << 10
	// brought is how many headers of this program's a record may have beside its own: of
	// a replayed event they say where it began. A record that was let through, and its
	// letter, must be let through when it is replayed.
	brought = 32
	// headerCost is what a header takes in memory beside its bytes when it is written.
	headerCost = 64
)

var prefix, broughtPrefix = []byte(HeaderPrefix), []byte("__forwarder.")

// HeadersError says that a record has too many headers, of which its letter keeps the
// first few.
type HeadersError struct{ Headers, Kept int }

// Error holds numbers alone.
func (e *HeadersError) Error() string {
	return fmt.Sprintf("headers: %d, at most %d", e.Headers, MaxHeaders)
}

// CheckHeaders returns a [*HeadersError] where a record has more headers than are sent.
// Such a record becomes a letter, and its letter keeps the first of them alone: it must not
// be to its readers what the record was.
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

// kept is how many of the record's own headers the letter keeps: all, or of too many as
// many of the first as are within the bounds.
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
