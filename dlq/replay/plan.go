package replay

import (
	"errors"
	"fmt"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
)

// Plan says what to send again and how, with a field for each flag of the command, and
// functions that report progress.
type Plan struct {
	To     To
	Filter *dlq.Filter
	// Spans bound the letters; nil: all that exist when the replay begins. Letters that
	// are written later are not chosen, not even a replayed event's next letter.
	Spans []topic.Span
	// IDs, if there are any, are the letters. Filter may leave some out.
	IDs []dlq.ID
	// Order is the result of Replayer.Order for all this; nil: it is computed.
	Order *Order
	// Limit bounds the letters to send, the first ones in the events' order; 0: all.
	Limit int
	// Again also sends letters that were replayed or closed.
	Again bool
	// MaxRedrives leaves out letters whose events were replayed this often already;
	// negative: no bound.
	MaxRedrives int
	// Rate bounds the events sent a second; 0: no bound.
	Rate float64
	// Change returns the value to send instead of the letter's; nil: the letter's own.
	// If it returns an error the letter is left out.
	Change func(*dlq.Stored) ([]byte, error)

	// Waiting is called once for each other run that holds the lock; Doubt for letters
	// that an earlier run left unconfirmed and that are sent again; Sent for each letter
	// whose event is confirmed; LeftOut for each letter that is not sent.
	Waiting func(by string)
	Doubt   func(by string, letters []string)
	Sent    func(s *dlq.Stored, topic string, partition int32, offset int64)
	LeftOut func(s *dlq.Stored, err error)

	// alive is called while letters are read, so that a run renews its lease.
	alive func() error
}

// Why a letter is not sent.
var (
	// ErrOften: Plan.MaxRedrives.
	ErrOften = errors.New("its event was replayed too often already")
	// ErrHeldBack: the events of an order key are sent in order.
	ErrHeldBack = errors.New("an earlier event of its order key could not be sent")
	// ErrUnchosen: Plan.IDs names it, but Plan.Filter leaves it out.
	ErrUnchosen = errors.New("the other conditions leave it out")
)

// DecidedError says that a letter given by its ID was replayed or closed already.
type DecidedError struct {
	ID    dlq.ID
	State dlq.State
}

func (e *DecidedError) Error() string {
	return fmt.Sprintf("dead letter %s is %s already", e.ID, e.State)
}
