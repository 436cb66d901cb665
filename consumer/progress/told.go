package progress

import "errors"

// Told is the progress in a commit of this service, for people and tools: its offset, and what is finished
// beyond it.
type Told struct {
	// Committed is the committed offset: every record below it is finished.
	Committed int64
	// Done are the runs beyond Committed whose records are finished, ordered and apart from one another.
	Done []Range
	// Unfinished are the runs between Committed and End that are not finished: their records were held,
	// waiting or open when the commit was written.
	Unfinished []Range
	// End is where the commit's knowledge ends. Nothing is known of the records from there on. It is Committed
	// if nothing beyond that is finished.
	End int64
	// Ignored: the commit's metadata does not belong to it, or cannot be read. It counts as empty, here as in
	// the service.
	Ignored bool
	// AnotherTopic: the commit is of an earlier topic of this name. Its offset means nothing in the present
	// log, which counts as one without a commit.
	AnotherTopic bool
}

// Parse reads a commit's metadata as the partition's next owner does. It never fails: metadata that must not
// be believed sets Ignored or AnotherTopic.
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
