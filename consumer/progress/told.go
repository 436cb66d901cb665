package progress

import "errors"

// Told is what a commit of this service tells, for people and tools: its offset, and what is
// finished beyond it.
type Told struct {
	// Committed is the committed offset: every record below it is finished.
	Committed int64
	// Done are the runs beyond Committed whose records are finished too, ordered
	// and apart from one another.
	Done []Range
	// Unfinished are the runs between Committed and End that are not: records
	// held, waiting behind one that is, or under way when the commit was written.
	Unfinished []Range
	// End is where the commit's knowledge ends. Nothing is known of the records
	// from there on; it is Committed where nothing beyond that is finished.
	End int64
	// Ignored says that the commit carries metadata which does not belong to it,
	// or cannot be read: it counts as empty, here as in the service.
	Ignored bool
	// AnotherTopic says that the commit is of a topic of this name that was deleted
	// since. Its offset means nothing in the log that there is now, which counts as
	// one without a commit.
	AnotherTopic bool
}

// Parse reads the metadata of a commit as the next owner of the partition would. It never fails; what
// must not be believed is Ignored, or AnotherTopic's.
func Parse(at CommitKey, metadata string) Told {
	k, err := Decode(at, metadata)
	another := errors.Is(err, ErrAnotherTopic)
	p := Told{Committed: at.Offset, Unfinished: k.Unfinished, End: k.End, Ignored: err != nil && !another, AnotherTopic: another}
	next := at.Offset
	for _, s := range k.Unfinished {
		if s.First > next {
			p.Done = append(p.Done, Range{next, s.First - 1})
		}
		next = s.Last + 1
	}
	if next < k.End {
		p.Done = append(p.Done, Range{next, k.End - 1})
	}
	return p
}
