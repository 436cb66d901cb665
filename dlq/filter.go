package dlq

import (
	"slices"
	"time"
)

// Filter chooses letters. The zero value chooses all. All fields that are set must match; of
// a list one value is enough.
type Filter struct {
	Reasons, Stages, Codes, Lots []string
	// Since (included) and Until (not included) bound when the letter was written.
	Since, Until time.Time
	// FirstPartition and LastPartition bound the letters' partitions if ByPartition is
	// set.
	ByPartition                   bool
	FirstPartition, LastPartition int32
	// Passed, if set, is called for each letter of a span that the filter chooses. own
	// says whether the reader sees it: it may be another group's.
	Passed func(s *Stored, own bool)
}

func (f *Filter) partition(n int32) bool {
	return f == nil || !f.ByPartition || n >= f.FirstPartition && n <= f.LastPartition
}

func (f *Filter) match(s *Stored, lot func(*Stored) string) bool {
	if f == nil {
		return true
	}
	one := func(of []string, value string) bool { return len(of) == 0 || slices.Contains(of, value) }
	if !one(f.Reasons, s.Reason) || !one(f.Stages, string(s.Stage)) || !one(f.Codes, s.Code) {
		return false
	}
	if !f.Since.IsZero() && s.WrittenAt().Before(f.Since) || !f.Until.IsZero() && !s.WrittenAt().Before(f.Until) {
		return false
	}
	return len(f.Lots) == 0 || lot != nil && slices.Contains(f.Lots, lot(s))
}
