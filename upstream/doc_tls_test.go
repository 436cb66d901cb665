package upstream_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/upstream"
)

// bubbleBegins is where a bubble's clock begins.
var bubbleBegins = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// certificate is self-signed for a name and valid until end.
func certificate(t *testing.T, name string, end time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: bubbleBegins.Add(-48 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// buffered never blocks in a write, like a socket: in HTTP/2 both sides write at the
// same time.
type buffered struct {
	net.Conn
	pending chan []byte
	failed  atomic.Bool
	done    chan struct{}
}

func buffer(c net.Conn) *buffered {
	b := &buffered{Conn: c, pending: make(chan []byte, 1024), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for p := range b.pending {
			if _, err := c.Write(p); err != nil {
				b.failed.Store(true)
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	if b.failed.Load() {
		return 0, net.ErrClosed
	}
	b.pending <- bytes.Clone(p)
	return len(p), nil
}

// flush ends the writing.
func (b *buffered) flush() { close(b.pending); <-b.done }

// over puts a server behind TLS.
func over(c tls.Certificate, protocols []string, serve func(*side)) func(*side) {
	return func(s *side) {
		out := buffer(s.Conn)
		defer out.flush()
		defer func() { go func() { _, _ = io.Copy(io.Discard, s.Conn) }() }() // while the last words go out
		secured := tls.Server(out, &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: protocols})
		if secured.Handshake() != nil {
			return
		}
		serve(&side{Conn: secured, in: bufio.NewReader(secured), world: s.world})
	}
}

func trust(pool *x509.CertPool) func(*upstream.Config, *world) {
	return func(c *upstream.Config, _ *world) {
		c.URL = "https://platform.test/update"
		c.RootCAs = func() *x509.CertPool { return pool }
	}
}

func securedOnes(t *testing.T) []strange {
	good, pool := certificate(t, "platform.test", bubbleBegins.AddDate(1, 0, 0))
	foreign, _ := certificate(t, "platform.test", bubbleBegins.AddDate(1, 0, 0))
	portal, portals := certificate(t, "portal.test", bubbleBegins.AddDate(1, 0, 0))
	old, olds := certificate(t, "platform.test", bubbleBegins.Add(-time.Hour))
	yes := answer(whole("200 OK", code1001))
	return []strange{
		{name: "TLS, as it should be", want: upstream.Accepted, serve: over(good, nil, yes), config: trust(pool)},
		{name: "TLS of an authority that is not trusted (a captive portal)", want: upstream.Unreachable, unsent: true, serve: over(foreign, nil, yes), config: trust(pool)},
		{name: "a certificate for another name", want: upstream.Unreachable, unsent: true, serve: over(portal, nil, yes), config: trust(portals)},
		{name: "a certificate that has ended", want: upstream.Unreachable, unsent: true, serve: over(old, nil, yes), config: trust(olds)},
		{name: "no TLS where it is expected", want: upstream.Unreachable, unsent: true, config: trust(pool),
			serve: func(s *side) { _, _ = s.in.ReadByte(); s.say(whole("400 Bad Request", "")) }},
		{name: "a handshake that never ends", want: upstream.Timeout, unsent: true, serve: (*side).waits, config: trust(pool)},
	}
}

// The part of HTTP/2 that the tests need (RFC 9113): frames that a correct library would
// not send.
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway, frameWindow = 0, 1, 3, 4, 6, 7, 8

	endStream, endHeaders, ack = 0x1, 0x4, 0x1
)

func (s *side) frame(kind, flags byte, stream uint32, payload string) bool {
	head := make([]byte, 9, 9+len(payload))
	head[0], head[1], head[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	head[3], head[4] = kind, flags
	binary.BigEndian.PutUint32(head[5:], stream)
	return s.say(string(append(head, payload...)))
}

// goAway says that streams above last were not looked at.
func (s *side) goAway(last uint32) bool {
	return s.frame(frameGoAway, 0, 0, string(binary.BigEndian.AppendUint32(nil, last))+"\x00\x00\x00\x00"+"plate=粤B12345")
}

// accept answers a stream.
func (s *side) accept(stream uint32) bool {
	return s.frame(frameHeaders, endHeaders, stream, "\x88") && s.frame(frameData, endStream, stream, code1001) // :status 200 (RFC 7541, A)
}

// http2 speaks it and calls on for each complete request, until on returns false.
func http2(on func(s *side, stream uint32) bool) func(*side) {
	return func(s *side) {
		preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		if _, err := io.ReadFull(s.in, preface); err != nil || !s.frame(frameSettings, 0, 0, "") {
			return
		}
		head := make([]byte, 9)
		for {
			if _, err := io.ReadFull(s.in, head); err != nil {
				return
			}
			n, err := io.CopyN(io.Discard, s.in, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
			if err != nil {
				return
			}
			kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
			if kind == frameData && n > 0 { // the connection's window is whole again
				s.frame(frameWindow, 0, 0, string(binary.BigEndian.AppendUint32(nil, uint32(n))))
			}
			switch {
			case kind == frameSettings && flags&ack == 0:
				s.frame(frameSettings, ack, 0, "")
			case kind == framePing && flags&ack == 0:
				s.frame(framePing, ack, 0, "01234567")
			case (kind == frameHeaders || kind == frameData) && flags&endStream != 0:
				s.world.requests.Add(1)
				if !on(s, stream) {
					return
				}
			}
		}
	}
}

func http2Ones(t *testing.T) []strange {
	c, pool := certificate(t, "platform.test", bubbleBegins.AddDate(1, 0, 0))
	speaking := func(on func(*side, uint32) bool) func(*side) { return over(c, []string{"h2"}, http2(on)) }
	// first calls on for the very first request and accepts the others.
	first := func(on func(*side, uint32) bool) func(*side) {
		return speaking(func(s *side, stream uint32) bool {
			if s.world.requests.Load() == 1 {
				return on(s, stream)
			}
			return s.accept(stream)
		})
	}
	return []strange{
		{name: "GOAWAY, the request was not looked at", want: upstream.Accepted, config: trust(pool), // sent again on another connection
			serve: first(func(s *side, _ uint32) bool { return s.goAway(0) })},
		{name: "GOAWAY, the request is still answered", want: upstream.Accepted, config: trust(pool),
			serve: first(func(s *side, stream uint32) bool { return s.goAway(stream) && s.accept(stream) && false })},
		{name: "GOAWAY, the request is never answered", want: upstream.Unreachable, config: trust(pool),
			serve: first(func(s *side, stream uint32) bool { return s.goAway(stream) && false })},
		{name: "a stream that is reset", want: upstream.Unreachable, config: trust(pool),
			serve: first(func(s *side, stream uint32) bool { return s.frame(frameReset, 0, stream, "\x00\x00\x00\x02") })},
		{name: "a stream that is refused unseen", want: upstream.Accepted, took: 2 * time.Second, config: trust(pool), // sent again a second later
			serve: first(func(s *side, stream uint32) bool { return s.frame(frameReset, 0, stream, "\x00\x00\x00\x07") })},
		{name: "an HTTP/2 answer without end", want: upstream.Unreadable, config: trust(pool),
			serve: first(func(s *side, stream uint32) bool {
				return s.frame(frameHeaders, endHeaders, stream, "\x88") && s.floods(stream)
			})},
		{name: "an HTTP/2 connection on which nothing is heard", want: upstream.Timeout, config: trust(pool),
			serve: first(func(*side, uint32) bool { return true })},
	}
}

// floods sends exactly what a stream's window takes: beyond it a client may close the
// connection.
func (s *side) floods(stream uint32) bool {
	for range 8 {
		if !s.frame(frameData, 0, stream, string(make([]byte, 16<<10))) {
			return false
		}
	}
	return true
}
