package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what a fault does.
type Kind string

// The kinds there are.
const (
	Errors   Kind = "errors"   // answers 500
	Outage   Kind = "outage"   // closes the connection without an answer
	Timeout  Kind = "timeout"  // never answers
	Throttle Kind = "throttle" // answers 429 with a Retry-After of a second
	Garbage  Kind = "garbage"  // answers 200 with a page of HTML
	Lost     Kind = "lost"     // accepts, then closes the connection: the client cannot know
	Poison   Kind = "poison"   // always answers 500 to one event
	Reject   Kind = "reject"   // always answers 400 to one event
	Forbid   Kind = "forbid"   // answers 403 to all events of one lot
)

// kinds are all kinds, in the order in which an overlap is decided: the first
// of those that are on wins.
var kinds = []Kind{Outage, Errors, Timeout, Throttle, Garbage, Lost, Poison, Reject, Forbid}

// sticky reports whether the kind stays with the event that it hit.
func (k Kind) sticky() bool { return k == Poison || k == Reject }

// Fault is one entry of a schedule.
type Fault struct {
	Kind Kind
	// Start is when it begins, from the start of play; 0 or more.
	Start time.Duration
	// Length is how long it hits every request; 0: it hits Count new events.
	Length time.Duration
	// Count is 0 where Length is not.
	Count int
	// Every is the time from one beginning to the next; 0: once. It is above
	// Length.
	Every time.Duration
}

// Schedule is a list of faults.
type Schedule []Fault

// Parse reads a schedule. The empty text is a schedule without faults.
func Parse(text string) (Schedule, error) {
	var s Schedule
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		f, err := parseFault(entry)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", entry, err)
		}
		s = append(s, f)
	}
	return s, nil
}

func parseFault(entry string) (Fault, error) {
	what, when, found := strings.Cut(entry, "@")
	if !found {
		return Fault{}, fmt.Errorf("no @START; write it as %s", "KIND[*COUNT]@START[+LENGTH][/EVERY]")
	}
	name, count, counted := strings.Cut(what, "*")
	when, every, repeated := strings.Cut(when, "/")
	start, length, long := strings.Cut(when, "+")

	f := Fault{Kind: Kind(name), Count: 1}
	if !slices.Contains(kinds, f.Kind) {
		return Fault{}, fmt.Errorf("no such kind; there are %s", kindNames())
	}
	var err error
	if f.Start, err = time.ParseDuration(start); err != nil || f.Start < 0 {
		return Fault{}, fmt.Errorf("START must be a time such as 8s")
	}
	if long {
		f.Count = 0
		if f.Length, err = time.ParseDuration(length); err != nil || f.Length <= 0 {
			return Fault{}, fmt.Errorf("LENGTH must be a time such as 2s, above 0")
		}
	}
	if counted {
		if f.Count, err = strconv.Atoi(count); err != nil || f.Count < 1 {
			return Fault{}, fmt.Errorf("COUNT must be a whole number, 1 or more")
		}
	}
	if repeated {
		if f.Every, err = time.ParseDuration(every); err != nil || f.Every <= f.Length {
			return Fault{}, fmt.Errorf("EVERY must be a time such as 1m, longer than LENGTH")
		}
	}
	switch {
	case long && counted:
		return Fault{}, fmt.Errorf("either a COUNT or a LENGTH")
	case long && f.Kind.sticky():
		return Fault{}, fmt.Errorf("%s hits single events: it has a COUNT, no LENGTH", f.Kind)
	case !long && f.Kind == Forbid:
		return Fault{}, fmt.Errorf("%s hits a lot for a while: it has a LENGTH, no COUNT", f.Kind)
	}
	return f, nil
}

func kindNames() string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// String writes the fault as [Parse] reads it.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(string(f.Kind))
	if f.Count > 1 {
		fmt.Fprintf(&b, "*%d", f.Count)
	}
	fmt.Fprintf(&b, "@%v", f.Start)
	if f.Length > 0 {
		fmt.Fprintf(&b, "+%v", f.Length)
	}
	if f.Every > 0 {
		fmt.Fprintf(&b, "/%v", f.Every)
	}
	return b.String()
}

// String writes the schedule as [Parse] reads it.
func (s Schedule) String() string {
	entries := make([]string, len(s))
	for i, f := range s {
		entries[i] = f.String()
	}
	return strings.Join(entries, ", ")
}
