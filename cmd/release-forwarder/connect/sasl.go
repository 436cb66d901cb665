package connect

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"release-forwarder/cmd/release-forwarder/settings"
)

// login is a SASL mechanism that reads the password at the start of each exchange, so that a changed password
// file counts from the next connection on. One value serves all connections.
type login struct {
	mechanism settings.Mechanism
	username  string
	password  func() settings.Secret
}

// Name implements [sasl.Mechanism].
func (l *login) Name() string { return string(l.mechanism) }

// Start implements [sasl.Mechanism].
func (l *login) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	m, err := l.current()
	if err != nil {
		return nil, nil, err
	}
	return m.Start(ctx)
}

func (l *login) current() (sasl.Mechanism, error) {
	password := l.password().Reveal()
	switch l.mechanism {
	case settings.ScramSHA256:
		return scram.Mechanism(scram.SHA256, l.username, password)
	case settings.ScramSHA512:
		return scram.Mechanism(scram.SHA512, l.username, password)
	case settings.Plain:
		return plain.Mechanism{Username: l.username, Password: password}, nil
	case settings.NoSASL, settings.OAuthBearer:
	}
	// Not PLAIN: it would send another mechanism's password in clear text.
	return nil, unknownMechanism(l.mechanism)
}

func unknownMechanism(m settings.Mechanism) error {
	return fmt.Errorf("KAFKA_SASL_MECHANISM: %q is not known here", m)
}
