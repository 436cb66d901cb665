package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/sandbox/account"
	"release-forwarder/cmd/testkit/platform"
)

// status is how a run stands at one moment.
type status struct {
	Elapsed time.Duration
	// Phase is what is going on, for people.
	Phase string
	account.Progress
	platform.Stats
	// Retried counts requests that were not an event's first.
	Retried int64
	inside
	// Faults are those that are on.
	Faults []string
	// ProducedRate and AcceptedRate are events a second, of late.
	ProducedRate, AcceptedRate float64
}

// line is the status for a file or a pipe.
func (s status) line() string {
	text := fmt.Sprintf("%4.0fs  produced %d  accepted %d  retried %d  held %s  dead-lettered %d  receipts %d  lag %d  rate %.0f/s",
		s.Elapsed.Seconds(), s.Produced, s.Accepted, s.Retried, s.held("%d"), s.DeadLetters, s.Receipts, s.Lag, s.AcceptedRate)
	for _, note := range s.notes() {
		text += "  [" + note + "]"
	}
	return text
}

// block is the status for a terminal.
func (s status) block() []string {
	seconds := int(s.Elapsed.Seconds())
	count := account.Count[int64]
	return []string{
		"",
		fmt.Sprintf("  %2d:%02d       %s", seconds/60, seconds%60, s.Phase),
		fmt.Sprintf("  lanes       produced %9s    rate %4.0f/s", count(s.Produced), s.ProducedRate),
		fmt.Sprintf("  platform    accepted %9s    rate %4.0f/s   retried %s   in flight %d%s",
			account.Count(s.Accepted), s.AcceptedRate, count(s.Retried), s.InFlight, others("   not accepted: ", s.Stats)),
		fmt.Sprintf("  forwarder   held     %9s    lag %s", s.held("%d"), count(s.Lag)),
		fmt.Sprintf("  Kafka       dead-lettered %4s   receipts %s", count(s.DeadLetters), count(s.Receipts)),
		"              " + strings.Join(s.notes(), ", "),
	}
}

func (s status) held(format string) string {
	if !s.Known {
		return "?"
	}
	return fmt.Sprintf(format, s.Held)
}

func (s status) notes() []string {
	notes := slices.Clone(s.Faults)
	if s.Open {
		notes = append(notes, "circuit open")
	}
	return notes
}

// others lists the answers that were no acceptance, by code; "" for none.
func others(before string, s platform.Stats) string {
	counts := map[string]int{}
	add := func(code string, n int) {
		if code == "" {
			code = "unreadable or none"
		}
		counts[code] += n
	}
	for code, n := range s.Refused {
		add(code, n)
	}
	for code, n := range s.Scripted {
		add(code, n)
	}
	if s.Unanswered > 0 {
		add("", s.Unanswered)
	}
	codes := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, code := range codes {
		codes[i] = fmt.Sprintf("%s ×%d", code, counts[code])
	}
	if len(codes) == 0 {
		return ""
	}
	return before + strings.Join(codes, ", ")
}

// rates turns counts into events a second, over the last few looks.
type rates struct{ looks []look }

type look struct {
	at                 time.Duration
	produced, accepted int64
}

// window is how many looks back a rate goes.
const window = 3

// add takes the counts at a moment and returns the rates since some looks ago.
func (r *rates) add(now look) (produced, accepted float64) {
	r.looks = append(r.looks, now)
	if len(r.looks) > window+1 {
		r.looks = r.looks[1:]
	}
	then := r.looks[0]
	seconds := (now.at - then.at).Seconds()
	if seconds <= 0 {
		return 0, 0
	}
	return float64(now.produced-then.produced) / seconds, float64(now.accepted-then.accepted) / seconds
}
