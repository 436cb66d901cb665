package connect

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go/protocol"
)

const (
	// frameLimit is the most bytes of an answer other than Fetch's. The largest honest answer is
	// OffsetFetch's: 4 KiB of metadata for each of some thousand partitions.
	frameLimit = 16 << 20
	// fetchLimit is the most bytes of Fetch's answer. Its reader (consumer/fetch) has bounds of its own and
	// allocates only for bytes that have come.
	fetchLimit = 1 << 30

	requestHead  = 12 // size, API key, version, correlation ID
	responseHead = 8  // size, correlation ID
)

// framed is a connection that checks the lengths in an answer before its user reads it. kafka-go allocates
// what a length states before it reads. So one number of a hostile broker, or of an attacker on a plain-text
// path, would end the process ("out of memory" cannot be recovered from).
//
// It notes each written request (Kafka answers a connection's requests in order), reads an answer whole, and
// passes it on once checkAnswer accepts it. Fetch's answers pass as they come.
type framed struct {
	net.Conn

	// For writing.
	head []byte // of the request being written, until it is whole
	rest int    // bytes of that request still to come

	// For reading.
	answer  []byte // checked, not yet read by the user
	through int    // bytes of Fetch's answer still to come
	err     error  // of a bad answer: nothing more is read

	asked chan asked // the requests without an answer, in order
}

// asked is the request that decides how an answer is decoded.
type asked struct {
	key         protocol.ApiKey
	version     int16
	correlation int32
}

// openRequests bounds the requests without an answer on one connection: the wire sends one at a time,
// kafka-go's connections few.
const openRequests = 64

// TLSState returns the TLS state of a connection that a dial function of Kafka opened; nil on plain text.
func TLSState(conn net.Conn) *tls.ConnectionState {
	f, is := conn.(*framed)
	if !is {
		return nil
	}
	secured, is := f.Conn.(*tls.Conn)
	if !is {
		return nil
	}
	state := secured.ConnectionState()
	return &state
}

func newFramed(c net.Conn) *framed {
	return &framed{Conn: c, asked: make(chan asked, openRequests)}
}

// Write implements net.Conn.
func (c *framed) Write(p []byte) (int, error) {
	for q := p; len(q) > 0; {
		if c.rest > 0 {
			n := min(c.rest, len(q))
			c.rest, q = c.rest-n, q[n:]
			continue
		}
		n := min(requestHead-len(c.head), len(q))
		c.head, q = append(c.head, q[:n]...), q[n:]
		if len(c.head) < requestHead {
			continue
		}
		if err := c.begins(); err != nil {
			return 0, err
		}
		c.head = c.head[:0]
	}
	return c.Conn.Write(p)
}

// begins notes a request whose head is complete.
func (c *framed) begins() error {
	be := binary.BigEndian
	a := asked{
		key: protocol.ApiKey(be.Uint16(c.head[4:])), version: int16(be.Uint16(c.head[6:])),
		correlation: int32(be.Uint32(c.head[8:])),
	}
	c.rest = int(int32(be.Uint32(c.head))) + 4 - requestHead
	switch {
	case c.rest < 0:
		return fmt.Errorf("a request of %d bytes has no room for its head", c.rest+requestHead)
	case a.key == protocol.SaslHandshake && a.version == 0:
		// It is followed by bytes without a head (KIP-152 ended that).
		return errors.New("the broker knows no SaslHandshake but version 0, as before Kafka 1.0: not supported")
	}
	select {
	case c.asked <- a:
		return nil
	default:
		return fmt.Errorf("%d requests wait for an answer on one connection", openRequests)
	}
}

// Read implements net.Conn.
func (c *framed) Read(p []byte) (int, error) {
	if len(c.answer) == 0 && c.through == 0 && len(p) > 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.answer) > 0 {
		n := copy(p, c.answer)
		if c.answer = c.answer[n:]; len(c.answer) == 0 {
			c.answer = nil
		}
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.through)])
	c.through -= n
	return n, err
}

// next reads the next answer's head; if the answer is checked, all of it. An error within a frame, such as a
// deadline, ends the connection.
func (c *framed) next() error {
	if c.err != nil {
		return c.err
	}
	var head [responseHead]byte
	if n, err := io.ReadFull(c.Conn, head[:]); err != nil {
		if n > 0 {
			c.err = err
		}
		return whole(err)
	}
	c.err = c.take(head)
	return c.err
}

// whole returns io.EOF if a connection ended within a frame.
func whole(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

func (c *framed) take(head [responseHead]byte) error {
	size, correlation := int(int32(binary.BigEndian.Uint32(head[:]))), int32(binary.BigEndian.Uint32(head[4:]))
	var a asked
	select {
	case a = <-c.asked:
	default:
		return errors.New("the broker answered what was not asked; is this a Kafka broker's address, and of the right listener?")
	}
	body := size + 4 - responseHead
	limit := frameLimit
	if a.key == protocol.Fetch {
		limit = fetchLimit
	}
	switch {
	case body < 0 || size > limit:
		return fmt.Errorf("%s: the broker's answer claims %d bytes, at most %d are accepted; does the address speak TLS, or another protocol?", a.key, size, limit)
	case correlation != a.correlation:
		return fmt.Errorf("%s: the broker answered another request than the one asked", a.key)
	case a.key == protocol.Fetch:
		c.answer, c.through = head[:], body
		return nil
	}
	answer := make([]byte, 0, responseHead+min(body, 4<<10)) // grows as bytes come, not by the stated size
	answer = append(answer, head[:]...)
	for len(answer) < responseHead+body {
		have := len(answer)
		answer = append(answer, make([]byte, min(responseHead+body-have, max(have, 512)))...)
		if _, err := io.ReadFull(c.Conn, answer[have:]); err != nil {
			return whole(err)
		}
	}
	if err := checkAnswer(a.key, a.version, answer[responseHead:]); err != nil {
		return fmt.Errorf("%s: the broker's answer cannot be: %w", a.key, err)
	}
	c.answer = answer
	return nil
}
