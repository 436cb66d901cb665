package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// Fault is the step at which a broker could not be used.
type Fault string

// The faults, from the first step to the last. A later one is nearer to success and says more about the
// cluster.
const (
	Unreachable Fault = "unreachable" // no TCP connection: name, address, network, broker down
	BadTLS      Fault = "tls"         // the handshake failed
	NotKafka    Fault = "protocol"    // connected, but no Kafka answer: TLS or SASL expected, or another service
	BadLogin    Fault = "sasl"        // the broker refused user, password or mechanism
)

var faults = []Fault{Unreachable, BadTLS, NotKafka, BadLogin}

// ReachError says why no broker could be used.
type ReachError struct {
	Broker string // host:port of the broker that came furthest
	Fault  Fault
	Remedy string // what to check, for the operator
	Err    error  // the cause; holds no secret
}

func (e *ReachError) Error() string {
	return fmt.Sprintf("broker %s (%s): %s: %v", e.Broker, e.Fault, e.Remedy, e.Err)
}

func (e *ReachError) Unwrap() error { return e.Err }

// Reach connects to the brokers in turn, logs in and asks for the list of brokers, until one answers.
// Otherwise it returns the *ReachError of the broker that came furthest, or ctx's error if that ended first.
// It changes nothing on the cluster. It is for a clear message at the start: success promises nothing for
// later.
func (k *Kafka) Reach(ctx context.Context) error {
	var worst *ReachError
	for _, broker := range k.Brokers {
		err := k.reach(ctx, broker)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fault := k.classify(broker, err)
		if worst == nil || slices.Index(faults, fault.Fault) > slices.Index(faults, worst.Fault) {
			worst = fault
		}
	}
	if worst == nil {
		return nil // no broker is named: settings refuse that
	}
	return worst
}

func (k *Kafka) reach(ctx context.Context, broker string) error {
	conn, err := k.Dialer.DialContext(ctx, "tcp", broker)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(RequestTimeout)); err != nil {
		return err
	}
	_, err = conn.Brokers() // a broker tells its API versions to anyone, but not this
	return err
}

func (k *Kafka) classify(broker string, err error) *ReachError {
	e := &ReachError{Broker: broker, Err: err}
	handshake, isHandshake := errors.AsType[*handshakeError](err)
	unreachable, isUnreachable := errors.AsType[*unreachableError](err)
	noToken, isNoToken := errors.AsType[*tokenError](err)
	switch {
	case isUnreachable:
		e.Err = unreachable.err // without kafka-go's words around it
		e.Fault, e.Remedy = Unreachable, "check KAFKA_BROKERS, the network and whether the broker runs"
	case isHandshake:
		e.Err = handshake.err
		e.Fault, e.Remedy = BadTLS, tlsRemedy(handshake)
	case remoteAlert(err):
		e.Fault, e.Remedy = BadTLS, clientRemedy
	case isNoToken:
		e.Err = noToken
		e.Fault, e.Remedy = BadLogin, noToken.remedy
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		e.Fault, e.Remedy = BadLogin, "the broker does not offer this mechanism on this port; check KAFKA_SASL_MECHANISM"
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		e.Fault, e.Remedy = BadLogin, k.refusedRemedy()
	default:
		e.Fault, e.Remedy = NotKafka, k.protocolRemedy(err)
	}
	return e
}

const clientRemedy = "the broker wants a client certificate that it trusts; check KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE"

// nameRemedy first names the way that keeps the check, then the way that weakens it, and its price.
const nameRemedy = "the certificate carries another name; set KAFKA_TLS_SERVER_NAME to the name it carries, or use that name in KAFKA_BROKERS. " +
	"KAFKA_TLS_VERIFY=chain, with KAFKA_TLS_CA_FILE, gives the check up: then whoever has a certificate of that authority is taken for a broker and gets the log-in"

func tlsRemedy(err *handshakeError) string {
	switch {
	case errors.As(err, new(x509.HostnameError)):
		return nameRemedy
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the certificate is signed by an authority that is not trusted; check KAFKA_TLS_CA_FILE"
	case errors.As(err, new(x509.CertificateInvalidError)):
		return "the certificate is not valid (expired, or not for servers); renew it on the broker"
	case errors.As(err, new(tls.RecordHeaderError)), closed(err):
		return "the broker does not speak TLS on this port; check the port in KAFKA_BROKERS, or KAFKA_TLS_ENABLED"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "the broker does not answer the TLS handshake; check the port in KAFKA_BROKERS, or KAFKA_TLS_ENABLED"
	case remoteAlert(err):
		return clientRemedy
	}
	return "the TLS handshake failed; check the KAFKA_TLS_ settings against the broker's"
}

// remoteAlert reports whether the broker ended TLS with an alert. With TLS 1.3 it comes only after the
// handshake. crypto/tls has no exported type for its alerts; only the operation's name shows them.
func remoteAlert(err error) bool {
	op, is := errors.AsType[*net.OpError](err)
	return is && op.Op == "remote error"
}

func (k *Kafka) protocolRemedy(err error) string {
	switch {
	case k.tls == nil && k.Dialer.SASLMechanism == nil:
		return "connected, but the answer is none of Kafka's; does this port want TLS (KAFKA_TLS_ENABLED) or a log-in (KAFKA_SASL_MECHANISM)?"
	case k.tls == nil:
		return "connected, but the answer is none of Kafka's; does this port want TLS (KAFKA_TLS_ENABLED)?"
	case k.Dialer.SASLMechanism == nil && closed(err):
		return "the broker closed the connection; does this port want a log-in (KAFKA_SASL_MECHANISM)?"
	}
	return "connected, but the answer is none of Kafka's; check the port in KAFKA_BROKERS"
}

func (k *Kafka) refusedRemedy() string {
	if _, is := k.Dialer.SASLMechanism.(*bearer); is {
		return "the broker refused the token; check its issuer, audience, scope and end, the broker's keys, and the clocks; the broker's log says which"
	}
	return "the broker refused the log-in; check KAFKA_SASL_USERNAME, the password and KAFKA_SASL_MECHANISM"
}

// closed reports whether the broker closed the connection without an answer.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}
