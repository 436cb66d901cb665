package account

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// troubles lists, in words, what keeps the account from closing.
func (a *Account) troubles() []string {
	var out []string
	for _, t := range []struct {
		n    int
		what string
	}{
		{a.Lost, "LOST"},
		{a.Waiting, "still waiting in Kafka, not committed"},
		{a.Both, "accepted and dead-lettered"},
		{a.Uncommitted, "done but not committed"},
		{a.Altered, "dead letters that are not what was produced"},
		{a.Stray, "dead letters of no record"},
		{a.Misjudged, "judged against the documents"},
		{a.Distorted, "received with other values than were meant" + list(" ", a.DistortedFields)},
		{a.Disordered, "sent out of their order key's order"},
		{a.Invented, "accepted but never produced"},
		{a.Unreceipted, "without a receipt"},
		{a.Contradicted, "receipts of no record, or of what is not so"},
	} {
		if t.n > 0 {
			out = append(out, Count(t.n)+" "+t.what)
		}
	}
	return out
}

// Table is the account for people, one line for each row that says something.
// forced is how many repeats the platform brought about on purpose, by losing
// its answer.
func (a *Account) Table(forced int) string {
	var lines []string
	row := func(name string, n int, note string) {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("  %-14s %9s   %s", name, Count(n), note), " "))
	}
	note := "records in the event topic"
	if a.Foreign > 0 {
		note += fmt.Sprintf(", %s of them not from these lanes", Count(a.Foreign))
	}
	row("produced", a.Produced, note)
	row("accepted", a.Accepted, "by the platform")
	row("dead-lettered", a.DeadLettered, strings.TrimSpace(list("", a.Reasons)))
	row("waiting", a.Waiting, "not committed: the next start delivers them")
	row("lost", a.Lost, "")
	if a.Receipts+a.Unreceipted > 0 {
		row("receipts", a.Receipts, fmt.Sprintf("what became of each, kept in a topic; missing: %s", Count(a.Unreceipted)))
	}
	if a.Both > 0 {
		row("both", a.Both, "accepted and dead-lettered")
	}
	row("sent again", a.Repeats, fmt.Sprintf("after an acceptance; answers lost on purpose: %s", Count(forced)))
	if a.DeadLettersAgain > 0 {
		row("written again", a.DeadLettersAgain, "dead letters")
	}
	return strings.Join(lines, "\n")
}

// Verdict is the last line.
func (a *Account) Verdict() string {
	sum := fmt.Sprintf("%s produced = %s accepted + %s dead-lettered", Count(a.Produced), Count(a.Accepted), Count(a.DeadLettered))
	switch {
	case a.Closes():
		return "Nothing was lost: " + sum + "."
	case a.Produced == 0:
		return "THE ACCOUNT IS EMPTY: nothing was produced, so nothing is proven."
	case a.Lost > 0:
		return fmt.Sprintf("LOST: %s + %s LOST. Wrong: %s.", sum, Count(a.Lost), strings.Join(a.troubles(), "; "))
	default:
		return fmt.Sprintf("THE ACCOUNT DOES NOT CLOSE: %s. Wrong: %s.", sum, strings.Join(a.troubles(), "; "))
	}
}

// list writes counts, the largest first.
func list(before string, counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, name+" "+Count(counts[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return before + strings.Join(parts, ", ")
}

// Count writes a number with thousands apart.
func Count[N int | int64](n N) string {
	s := fmt.Sprint(n)
	for at := len(s) - 3; at > 0 && s[at-1] != '-'; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}
