package oauth

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Sessions sit before an embedded Kafka. Of one client they demand a log-in, and end its sessions as Kafka does: a
// request that comes after a session's end closes the connection, an answer that is awaited then still comes.
type Sessions struct {
	// ClientID names the client; others are let through.
	ClientID string
	// Takes returns for how long a token is good, and false where it is none. nil: the embedded Kafka itself logs
	// in, by another mechanism.
	Takes func(token string, extensions map[string]string) (time.Duration, bool)
	// Life bounds a session, as connections.max.reauth.ms.
	Life time.Duration

	mu sync.Mutex
	// The rest is guarded by mu.

	logins, killed int
}

// Logins counts the sessions that began.
func (s *Sessions) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// Killed counts the connections that were closed because a request came after its session's end.
func (s *Sessions) Killed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.killed
}

// Wrap returns the broker's side of a connection.
func (s *Sessions) Wrap(conn net.Conn) net.Conn { return &session{Conn: conn, all: s} }

// session is one connection. Only the broker's reader uses what is beside Conn.
type session struct {
	net.Conn
	all     *Sessions
	frame   []byte // of the request that the broker reads
	ends    time.Time
	refused bool
}

// Read hands the broker one request after the other, but those that are answered here.
func (c *session) Read(p []byte) (int, error) {
	for len(c.frame) == 0 {
		var size [4]byte
		if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
			return 0, err
		}
		frame := append(size[:], make([]byte, binary.BigEndian.Uint32(size[:]))...)
		if _, err := io.ReadFull(c.Conn, frame[4:]); err != nil {
			return 0, err
		}
		through, err := c.judge(frame)
		if err != nil {
			_ = c.Close()
			return 0, err
		}
		if through {
			c.frame = frame
		}
	}
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

// judge reports whether the broker is to answer a request.
func (c *session) judge(frame []byte) (through bool, err error) {
	be := binary.BigEndian
	key, version := kmsg.Key(be.Uint16(frame[4:])), int16(be.Uint16(frame[6:]))
	id := frame[14 : 14+be.Uint16(frame[12:])]
	if string(id) != c.all.ClientID || key == kmsg.ApiVersions {
		return true, nil
	}
	body := frame[14+len(id):]
	switch {
	case key == kmsg.SASLHandshake && c.all.Takes != nil:
		res := kmsg.NewPtrSASLHandshakeResponse()
		res.SetVersion(version)
		return false, c.answer(frame, res)
	case key == kmsg.SASLAuthenticate && c.all.Takes != nil:
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.SetVersion(version)
		if err := req.ReadFrom(body); err != nil {
			return false, err
		}
		res := c.login(req.SASLAuthBytes)
		res.SetVersion(version)
		return false, c.answer(frame, res)
	case key == kmsg.SASLHandshake:
		return true, nil
	case key == kmsg.SASLAuthenticate:
		c.begin(c.all.Life)
		return true, nil
	}
	if c.ends.IsZero() {
		return false, fmt.Errorf("%s before a log-in", key.Name())
	}
	if time.Now().After(c.ends) {
		c.all.mu.Lock()
		defer c.all.mu.Unlock()
		c.all.killed++
		return false, fmt.Errorf("%s after the session's end", key.Name())
	}
	return true, nil
}

func (c *session) begin(life time.Duration) {
	c.ends = time.Now().Add(life)
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.all.logins++
}

// login is Kafka's OAuthBearerSaslServer: a bad token is answered with its status, and only after one byte more of
// the client with an error.
func (c *session) login(message []byte) *kmsg.SASLAuthenticateResponse {
	res := kmsg.NewPtrSASLAuthenticateResponse()
	token, extensions, ok := parse(string(message))
	life := time.Duration(0)
	if ok {
		life, ok = c.all.Takes(token, extensions)
	}
	switch {
	case c.refused || !ok && token == "":
		res.ErrorCode = 58 // SASL_AUTHENTICATION_FAILED
	case !ok:
		c.refused = true
		res.SASLAuthBytes = []byte(`{"status":"invalid_token"}`)
	default:
		if c.all.Life > 0 {
			life = min(life, c.all.Life)
		}
		c.begin(life)
		res.SessionLifetimeMillis = life.Milliseconds()
	}
	return res
}

// parse takes a client's first message apart (RFC 7628, 3.1).
func parse(message string) (token string, extensions map[string]string, ok bool) {
	rest, ok := strings.CutPrefix(message, "n,,\x01")
	if !ok || !strings.HasSuffix(rest, "\x01\x01") {
		return "", nil, false
	}
	extensions = map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimSuffix(rest, "\x01\x01"), "\x01") {
		name, value, is := strings.Cut(pair, "=")
		if !is {
			return "", nil, false
		}
		extensions[name] = value
	}
	token, ok = strings.CutPrefix(extensions["auth"], "Bearer ")
	delete(extensions, "auth")
	return token, extensions, ok
}

func (c *session) answer(frame []byte, res kmsg.Response) error {
	out := append(make([]byte, 4), frame[8:12]...)
	out = res.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	_, err := c.Write(out)
	return err
}
