package connect

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/settings"
)

// closedPort returns an address on which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	address, stop := listen(t, func(net.Conn) {})
	stop()
	return address
}

// listen serves each connection with serve and then closes it.
func listen(t *testing.T, serve func(net.Conn)) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	stop = func() { _ = l.Close() }
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func TestReachSaysWhatIsWrong(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	plain := broker(t)
	secured := broker(t, kfake.TLS(ca.server("kafka.internal")))
	login := broker(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "lane", "s3cret"))
	web, _ := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1024))
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	})
	hangup, _ := listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1024)) })
	for _, c := range []struct {
		name    string
		brokers []string
		change  func(*settings.Kafka)
		fault   Fault
		remedy  string // a part of the text
	}{
		{"nothing listens", []string{closedPort(t)}, nil, Unreachable, "KAFKA_BROKERS"},
		{"another name", []string{secured}, trusting(t, ca), BadTLS, "KAFKA_TLS_SERVER_NAME"},
		{"another name, and what keeps the check is named first", []string{secured}, trusting(t, ca), BadTLS, nameRemedy},
		{"another authority", []string{secured}, together(trusting(t, other), named("kafka.internal")), BadTLS, "KAFKA_TLS_CA_FILE"},
		{"TLS to a port without", []string{hangup}, trusting(t, ca), BadTLS, "KAFKA_TLS_ENABLED"},
		{"TLS to a web server", []string{web}, trusting(t, ca), BadTLS, "KAFKA_TLS_ENABLED"},
		{"no TLS to a port with", []string{secured}, nil, NotKafka, "KAFKA_TLS_ENABLED"},
		{"no TLS to a port with, with a login", []string{secured}, user(settings.ScramSHA512, "u", "p"), NotKafka, "KAFKA_TLS_ENABLED"},
		{"a web server", []string{web}, nil, NotKafka, "none of Kafka's"},
		{"a server that hangs up", []string{hangup}, nil, NotKafka, "none of Kafka's"},
		{"no login where one is wanted", []string{login}, nil, NotKafka, "KAFKA_SASL_MECHANISM"},
		{"a mechanism that is not offered", []string{plain}, user(settings.ScramSHA512, "u", "p"), BadLogin, "KAFKA_SASL_MECHANISM"},
		{"an unknown user", []string{login}, user(settings.ScramSHA512, "nobody", "s3cret"), BadLogin, "KAFKA_SASL_USERNAME"},
		{"the broker that came furthest is told of", []string{closedPort(t), login, closedPort(t)}, user(settings.ScramSHA512, "lane", "wr0ng"), BadLogin, login},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := connected(t, Config{Kafka: kafkaSettings(c.change, c.brokers...)})
			err := k.Reach(t.Context())
			fault, is := errors.AsType[*ReachError](err)
			if !is || fault.Fault != c.fault || !strings.Contains(err.Error(), c.remedy) {
				t.Errorf("got %v\nwant a fault of kind %s with %q", err, c.fault, c.remedy)
			}
		})
	}
}

func TestReachIsContentWithOneBroker(t *testing.T) {
	k := connected(t, Config{Kafka: kafkaSettings(nil, closedPort(t), closedPort(t), broker(t), closedPort(t))})
	if err := k.Reach(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReachEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := connected(t, Config{Kafka: kafkaSettings(nil, broker(t))})
	if err := k.Reach(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestTheGroupsDialerIsSetUp(t *testing.T) {
	k := connected(t, Config{Kafka: kafkaSettings(loggingIn, "a:1", "b:2", "c:3")})
	if k.Dialer.ClientID != "test" {
		t.Errorf("the client ID is %q", k.Dialer.ClientID)
	}
	if k.Dialer.SASLMechanism == nil {
		t.Error("the group does not log in")
	}
	if k.Dialer.TLS != nil {
		t.Error("TLS is kafka-go's, which leaks the sockets of failed handshakes")
	}
}

func TestTheAdviceOnANameKeepsTheCheckFirst(t *testing.T) {
	name, chain := strings.Index(nameRemedy, "KAFKA_TLS_SERVER_NAME"), strings.Index(nameRemedy, "KAFKA_TLS_VERIFY=chain")
	if brokers := strings.Index(nameRemedy, "KAFKA_BROKERS"); name < 0 || name > brokers || brokers > chain {
		t.Errorf("the order is wrong: %s", nameRemedy)
	}
	if _, price, _ := strings.Cut(nameRemedy, "KAFKA_TLS_VERIFY=chain"); !strings.Contains(price, "KAFKA_TLS_CA_FILE") || !strings.Contains(price, "taken for a broker") {
		t.Errorf("what chain gives up is not said: %s", nameRemedy)
	}
}
