package mapping

import (
	"cmp"
	"iter"
	"log/slog"
	"maps"
	"slices"
)

// Release is an abnormal release as the platform takes it: the parameters of the
// API's table but app_id and sign, as they are sent.
type Release struct {
	sent [fieldCount]string // "" where one is not sent

	// Suspicions holds what is odd, each kind once, in the order of [Suspicions].
	Suspicions []Suspicion
}

// Lot is the platform's UUID of the lot.
func (r *Release) Lot() string { return r.sent[parkUUID] }

// ascending is the order of the names' bytes, which the platform's signature wants.
var ascending = slices.SortedFunc(maps.Values(fieldsByName), func(a, b field) int { return cmp.Compare(a.name(), b.name()) })

// All yields the names and values of the parameters that are sent, ascending by the
// bytes of the name.
func (r *Release) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, f := range ascending {
			if value := r.sent[f]; value != "" && !yield(f.name(), value) {
				return
			}
		}
	}
}

// A Release holds personal data. Printing or logging one by mistake shows nothing.
const withheld = "mapping.Release{withheld}"

// String withholds the contents.
func (Release) String() string { return withheld }

// GoString withholds the contents.
func (Release) GoString() string { return withheld }

// LogValue withholds the contents.
func (Release) LogValue() slog.Value { return slog.StringValue(withheld) }
