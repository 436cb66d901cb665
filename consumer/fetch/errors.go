package fetch

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt matches every [*CorruptError].
	ErrCorrupt = errors.New("corrupt records")

	// ErrRecordTooLarge matches every [*TooLargeError].
	ErrRecordTooLarge = errors.New("record too large")

	// ErrUnsupported matches every [*UnsupportedError].
	ErrUnsupported = errors.New("unsupported record format")

	// ErrMalformed: the answer around the records breaks the protocol.
	ErrMalformed = errors.New("malformed fetch answer")

	// ErrAnswerTooLarge: an answer was refused before it was read.
	ErrAnswerTooLarge = errors.New("fetch answer too large")

	// ErrOtherReplica: the broker gave no records but named another replica to read from (KIP-392), although
	// no rack was sent. Its replica selector wants readers elsewhere.
	ErrOtherReplica = errors.New("the broker sends readers to another replica")
)

// Corruption is what is wrong with records.
type Corruption string

// The kinds of corruption.
const (
	BadChecksum  Corruption = "checksum"  // the CRC does not match the bytes
	BadLength    Corruption = "length"    // a length exceeds its frame, or is negative where none may be
	BadCount     Corruption = "count"     // a count is impossible, or does not match what is there
	BadOffset    Corruption = "offset"    // an offset is outside its batch, or out of order
	Truncated    Corruption = "truncated" // the records end inside a record, or the answer inside its first batch
	Trailing     Corruption = "trailing"  // bytes follow the last record
	BadUnpacking Corruption = "unpacking" // the compressed bytes cannot be unpacked
)

// CorruptError: the log's bytes are not what a broker writes.
type CorruptError struct {
	// Offset is the first offset of the batch.
	Offset int64
	Kind   Corruption
	// Cause is the unpacker's error, or nil.
	Cause error
}

func (e *CorruptError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%v at offset %d: %s: %v", ErrCorrupt, e.Offset, e.Kind, e.Cause)
	}
	return fmt.Sprintf("%v at offset %d: %s", ErrCorrupt, e.Offset, e.Kind)
}

// Is reports whether target is [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func (e *CorruptError) Unwrap() error { return e.Cause }

// TooLargeError: a record, or what must be unpacked at once to reach it, is larger than the limits allow.
type TooLargeError struct {
	// Offset is the record's, or the batch's first if the record's is not known. Reading from Offset + 1 skips
	// a record.
	Offset int64
	// Size is the size in bytes that the log states, Limit the exceeded bound.
	Size, Limit int64
	// Block: a snappy block is too large, not a single record.
	Block bool
}

func (e *TooLargeError) Error() string {
	what := "record"
	if e.Block {
		what = "snappy block"
	}
	return fmt.Sprintf("%v at offset %d: a %s of %d bytes, limit %d", ErrRecordTooLarge, e.Offset, what, e.Size, e.Limit)
}

// Is reports whether target is [ErrRecordTooLarge].
func (e *TooLargeError) Is(target error) bool { return target == ErrRecordTooLarge }

// UnsupportedError: records are of a format that this package does not read: a magic other than 2, or a codec
// that the format does not have.
type UnsupportedError struct {
	Offset int64
	Magic  int8
	Codec  int8
}

func (e *UnsupportedError) Error() string {
	if e.Magic == 0 || e.Magic == 1 {
		return fmt.Sprintf("%v at offset %d: message format v%d, of before Kafka 0.11; have new records written in v2 (the topic's message.format.version, "+
			"in Kafka before 3.0), and pass over the old ones as docs/how-to/night/skip-one-record.md says", ErrUnsupported, e.Offset, e.Magic)
	}
	return fmt.Sprintf("%v at offset %d: magic %d, codec %d", ErrUnsupported, e.Offset, e.Magic, e.Codec)
}

// Is reports whether target is [ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }
