package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// versions are the versions of an API that a broker takes.
type versions struct{ oldest, newest int16 }

// conn is a connection to one broker. One exchange uses it at a time.
type conn struct {
	*protocol.Conn
	address  string
	takes    map[int16]versions // by API key
	since    time.Time          // when it was used last
	expires  time.Time          // the log-in's end (KIP-368); zero: none
	sequence int32
}

func (k *conn) close() { _ = k.Close() }

func (k *conn) good(now time.Time) bool {
	return now.Sub(k.since) < idleLimit && (k.expires.IsZero() || now.Before(k.expires))
}

// newest returns the newest version of an API that the broker takes, −1 if it has no such API.
func (k *conn) newest(key int16) int16 {
	if v, known := k.takes[key]; known {
		return v.newest
	}
	return -1
}

// open connects to an address, waits for the first answer, then logs in.
func (c *Client) open(ctx context.Context, address string) (*conn, error) {
	opening, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	raw, err := c.cfg.Dial(opening, "tcp", address)
	if err != nil {
		return nil, err
	}
	k := &conn{Conn: protocol.NewConn(raw, c.cfg.ClientID), address: address, since: time.Now()}
	if err := c.begin(opening, k, func() error { return k.greet(c.cfg.ClientID) }); err != nil {
		return nil, fmt.Errorf("no answer from %s: %w", address, err)
	}
	if c.cfg.SASL == nil {
		return k, nil
	}
	login, cancelLogin := context.WithTimeout(ctx, loginTakes)
	defer cancelLogin()
	err = c.begin(login, k, func() error { return k.login(login, c.cfg.ClientID, c.cfg.SASL) })
	if err != nil {
		err = fmt.Errorf("log-in at %s: %w", address, err)
	}
	if ctx.Err() == nil { // else the caller gave up: that says nothing of the log-in
		c.loggedIn(err)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// LoginFailure says since when no log-in at a broker has succeeded, and why the last one failed.
type LoginFailure struct {
	Since, Last time.Time // of the first failure and of the last; zero: none
	Err         error
}

// loginDoubt is how long a failed log-in counts that is not followed by another: the broker may be gone.
const loginDoubt = 30 * time.Second

// loggedIn notes how a log-in ended. A connection that breaks says nothing of it.
func (c *Client) loggedIn(err error) {
	var own interface{ Remedy() string }
	if err != nil && !errors.As(err, new(kafka.Error)) && !errors.As(err, &own) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		c.logins = LoginFailure{}
	case now.Sub(c.logins.Last) > loginDoubt:
		c.logins = LoginFailure{Since: now, Last: now, Err: err}
	default:
		c.logins.Last, c.logins.Err = now, err
	}
}

// LoginFails returns how log-ins at the brokers fail. Connections that logged in before go on until their
// sessions end.
func (c *Client) LoginFails() LoginFailure {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.logins.Last) > loginDoubt {
		return LoginFailure{}
	}
	return c.logins
}

// begin does one step of opening a connection. The step ends with ctx.
func (c *Client) begin(ctx context.Context, k *conn, step func() error) error {
	deadline, _ := ctx.Deadline()
	_ = k.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = k.SetDeadline(time.Unix(1, 0)) })
	err := step()
	if err = overdue(ctx, err, !stop()); err != nil {
		k.close()
	}
	return err
}

// greet asks for the versions that the broker takes, in the form that every broker knows.
func (k *conn) greet(clientID string) error {
	k.takes = map[int16]versions{apiVersions: {}}
	res, err := k.send(clientID, kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		return err
	}
	told := res.(*kmsg.ApiVersionsResponse)
	if told.ErrorCode != 0 {
		return kafka.Error(told.ErrorCode)
	}
	forKafkaGo := map[protocol.ApiKey]int16{}
	for _, v := range told.ApiKeys {
		k.takes[v.ApiKey] = versions{v.MinVersion, v.MaxVersion}
		key := protocol.ApiKey(v.ApiKey)
		forKafkaGo[key] = key.SelectVersion(v.MinVersion, v.MaxVersion)
	}
	k.SetVersions(forKafkaGo)
	return nil
}

const (
	apiVersions = int16(protocol.ApiVersions)
	// answerLimit bounds an answer's bytes. The largest honest answer is OffsetFetch's: 4 KiB of metadata for
	// each of some thousand partitions.
	answerLimit = 16 << 20
)

// send writes one request and reads its answer.
func (k *conn) send(clientID string, req kmsg.Request) (kmsg.Response, error) {
	name := kmsg.NameForKey(req.Key())
	takes, known := k.takes[req.Key()]
	version := min(req.MaxVersion(), takes.newest)
	if set := req.GetVersion(); set > 0 {
		version = min(version, set)
	}
	if !known || version < takes.oldest {
		return nil, fmt.Errorf("%s: %w", name, kafka.UnsupportedVersion)
	}
	req.SetVersion(version)
	k.sequence++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, req, k.sequence)
	if _, err := k.Write(frame); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(k, head[:]); err != nil {
		return nil, err
	}
	size, sequence := int32(binary.BigEndian.Uint32(head[:])), int32(binary.BigEndian.Uint32(head[4:]))
	if sequence != k.sequence || size < 4 || size > answerLimit {
		return nil, fmt.Errorf("%s: the answer is to another request, or of %d bytes", name, size)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(k, body); err != nil {
		return nil, err
	}
	res := req.ResponseKind()
	if res.IsFlexible() && res.Key() != apiVersions { // its header stays old, for old clients
		body = afterTags(body)
	}
	if err := res.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%s: the answer cannot be read: %w", name, err)
	}
	return res, nil
}

// afterTags skips the tagged fields that end a header (KIP-482). If the header ends early nothing is left,
// which the reader of the body refuses.
func afterTags(b []byte) []byte {
	next := func() uint64 {
		n, size := binary.Uvarint(b)
		b = b[max(0, size):]
		if size <= 0 {
			b = nil
		}
		return n
	}
	for n := next(); n > 0 && len(b) > 0; n-- {
		next() // the tag
		size := next()
		b = b[min(size, uint64(len(b))):]
	}
	return b
}

// login authenticates (KIP-152): the mechanism's messages, one by one.
func (k *conn) login(ctx context.Context, clientID string, mechanism sasl.Mechanism) error {
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Version, handshake.Mechanism = 1, mechanism.Name()
	res, err := k.send(clientID, handshake)
	if err != nil {
		return err
	}
	if code := res.(*kmsg.SASLHandshakeResponse).ErrorCode; code != 0 {
		return kafka.Error(code)
	}
	host, port, _ := net.SplitHostPort(k.address)
	number, _ := strconv.Atoi(port)
	session, message, err := mechanism.Start(sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: number}))
	for done := false; err == nil && !done; {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.SetVersion(1) // from 2 on the answer is flexible and brings nothing new
		req.SASLAuthBytes = message
		began := time.Now()
		if res, err = k.send(clientID, req); err != nil {
			if errors.Is(err, io.EOF) {
				err = kafka.SASLAuthenticationFailed // some brokers report it by closing the connection
			}
			return err
		}
		told := res.(*kmsg.SASLAuthenticateResponse)
		if told.ErrorCode != 0 {
			return kafka.Error(told.ErrorCode)
		}
		if life := time.Duration(told.SessionLifetimeMillis) * time.Millisecond; life > 0 {
			k.expires = began.Add(life * 9 / 10) // after that a new connection logs in
		}
		done, message, err = session.Next(ctx, told.SASLAuthBytes)
	}
	return err
}
