package ledger

import (
	"context"
	"slices"

	"release-forwarder/consumer/topic"
)

// forgetMost is how many entries one run deletes at most.
const forgetMost = 10_000

// Forget deletes the entries of letters below the first offsets of spans, which retention has
// deleted, so that the ledger does not grow without bound. Other readers of the ledger are not
// affected. It keeps the lease alive.
func (l *Lease) Forget(ctx context.Context, spans []topic.Span) error {
	left := forgetMost
	for _, span := range spans {
		gone := l.ledger.before(span.Partition, span.First, left)
		left -= len(gone)
		for chunk := range slices.Chunk(gone, entriesMost) {
			entries := make([]keyed, len(chunk))
			for i, offset := range chunk {
				entries[i] = keyed{key: letterName(span.Partition, offset)}
			}
			if err := l.KeepAlive(ctx); err != nil {
				return err
			}
			if err := l.ledger.enter(ctx, entries...); err != nil {
				return err
			}
		}
	}
	return nil
}

// before returns letters of a partition that lie before an offset and are not open, at most
// the first most.
func (l *Ledger) before(partition int32, offset int64, most int) (letters []int64) {
	for o := range l.marks[partition] {
		if o < offset {
			letters = append(letters, o)
		}
	}
	slices.Sort(letters)
	return letters[:min(most, len(letters))]
}
