package fetch

import (
	"encoding/binary"
	"iter"
)

// Headers are a record's headers in their encoded form: the record's own bytes, and the number of headers. Two
// bytes in the log are a header, so a list would take twenty times the record's size and more. They were
// checked when the record was read, and are decoded again at each use. The zero value has none.
type Headers struct {
	raw []byte
	n   int
}

// Header is one header, for [HeadersOf].
type Header struct {
	// Key holds the bytes as they came; they need not be UTF-8.
	Key string
	// Value is nil if it is null.
	Value []byte
}

// HeadersOf makes headers in memory of their own.
func HeadersOf(list ...Header) Headers {
	h := Headers{n: len(list)}
	for _, one := range list {
		h.raw = binary.AppendVarint(h.raw, int64(len(one.Key)))
		h.raw = append(h.raw, one.Key...)
		if one.Value == nil {
			h.raw = binary.AppendVarint(h.raw, null)
			continue
		}
		h.raw = binary.AppendVarint(h.raw, int64(len(one.Value)))
		h.raw = append(h.raw, one.Value...)
	}
	return h
}

// Len returns the number of headers.
func (h Headers) Len() int { return h.n }

// Size returns how many bytes of memory they take.
func (h Headers) Size() int { return len(h.raw) }

// All yields each header's key and value in order. Both are the record's memory and must not be changed; a
// null value is nil.
func (h Headers) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		c := cursor{b: h.raw}
		for range h.n {
			key := c.bytes()
			if value := c.bytes(); !yield(key, value) {
				return
			}
		}
	}
}

// cutHeaders reads n headers from c. It returns what is wrong, or "".
func cutHeaders(c *cursor, n int64) (Headers, Corruption) {
	if n < 0 || n > int64(len(c.b)/minHeader) {
		return Headers{}, BadCount
	}
	raw := c.b
	for range n {
		key := c.bytes()
		if key == nil { // a header's key is never null
			c.bad = true
		}
		c.bytes()
		if c.bad {
			return Headers{}, BadLength
		}
	}
	size := len(raw) - len(c.b)
	return Headers{raw[:size:size], int(n)}, ""
}
