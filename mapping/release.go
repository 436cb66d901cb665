package mapping

import (
	"cmp"
	"iter"
	"log/slog"
	"maps"
	"slices"
)

// Release is an abnormal release in the platform's form: the parameters of the API's table
// (docs/platform-api.md) without app_id and sign, as they are sent.
type Release struct {
	sent [maxFields]string // "" if not sent

	// Suspicions holds each kind once, in the order of [Suspicions].
	Suspicions []Suspicion
}

// Lot is the platform's UUID of the lot.
func (r *Release) Lot() string { return r.sent[parkUUID] }

// ascending is sorted by the bytes of the names, as the platform's signature requires.
var ascending = slices.SortedFunc(maps.Values(fieldsByName), func(a, b field) int { return cmp.Compare(a.name(), b.name()) })

// All yields the names and values of the parameters that are sent, sorted by the bytes of
// the name.
func (r *Release) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, f := range ascending {
			if value := r.sent[f]; value != "" && !yield(f.name(), value) {
				return
			}
		}
	}
}

// A Release holds personal data: printing or logging one by mistake must show nothing.
const withheld = "mapping.Release{withheld}"

// String withholds the contents.
func (Release) String() string { return withheld }

// GoString withholds the contents.
func (Release) GoString() string { return withheld }

// LogValue withholds the contents.
func (Release) LogValue() slog.Value { return slog.StringValue(withheld) }
