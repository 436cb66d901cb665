package dlq

// State is the state of a letter. The ledger (package ledger) tells it.
type State string

// The states. A letter about which nothing was decided is open.
const (
	Open     State = "open"
	Replayed State = "replayed" // its event was sent again, and the broker confirmed it
	Closed   State = "closed"   // a person dealt with it otherwise
)
