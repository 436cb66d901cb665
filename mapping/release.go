package mapping

import (
	"fmt"
	"io"
	"iter"
	"log/slog"
)

// Release is an abnormal release in the platform's form: the parameters of the API's table
// (docs/platform-api.md) without app_id and sign, as they are sent.
type Release struct {
	endpoint *Endpoint
	sent     []string // by the places of the fields; "" if not sent

	// Suspicions holds each kind once, in the order of [Suspicions].
	Suspicions []Suspicion
}

// Lot is the platform's UUID of the lot.
func (r *Release) Lot() string { return r.sent[r.endpoint.place(r.endpoint.Order[0])] }

// Repeat is what the platform knows a repeated event of the lot by, in the built-in contract flow_no.
func (r *Release) Repeat() string { return r.sent[r.endpoint.place(r.endpoint.Repeat)] }

// All yields the names and values of the parameters that are sent, sorted by the bytes of
// the name.
func (r *Release) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, at := range r.endpoint.ascending {
			if value := r.sent[at]; value != "" && !yield(r.endpoint.Fields[at].Name, value) {
				return
			}
		}
	}
}

// A Release holds personal data: printing or logging one by mistake must show nothing.
const withheld = "mapping.Release{withheld}"

// Format withholds the contents, whatever the verb.
func (Release) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, withheld) }

// LogValue withholds the contents.
func (Release) LogValue() slog.Value { return slog.StringValue(withheld) }
