package check

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"

	"release-forwarder/cmd/release-forwarder/visible"
)

// text prints a report for people.
func (r *report) text(out *bufio.Writer, lang language) {
	heading := visible.Value(r.place.in(lang)) + wordColon.in(lang)
	switch r.Verdict {
	case noEvent:
		fmt.Fprintln(out, heading+wordNoEvent.in(lang))
	case spread:
		fmt.Fprintln(out, heading+wordSpread.in(lang))
	case tooLarge:
		fmt.Fprintln(out, heading+wordTooLarge.in(lang))
	case deadLetter:
		fmt.Fprintln(out, heading+wordDeadLetter.in(lang)+wordColon.in(lang)+visible.Line(r.Faults[0].Text))
		r.printFaults(out, lang)
		if r.Unlisted != "" {
			row(out, wordAlso.in(lang), visible.Line(r.Unlisted))
		}
		r.printRemarks(out, lang)
		r.printSteps(out, lang)
		switch {
		case !r.mapped:
			fmt.Fprintln(out, "  "+wordSchema.in(lang))
		case r.Steps == nil:
			fmt.Fprintln(out, "  "+wordHow.in(lang))
		}
	case willBeHeld:
		fmt.Fprintln(out, heading+wordHeld.in(lang)+wordColon.in(lang)+visible.Line(r.Unlisted))
		row(out, wordHint.in(lang), wordListed.in(lang))
		r.printRemarks(out, lang)
		r.printSteps(out, lang)
	case willBeIgnored:
		fmt.Fprintln(out, heading+fmt.Sprintf(wordIgnoredBy.in(lang), r.Profile))
	case willBeSent:
		fmt.Fprintln(out, heading+wordSent.in(lang))
		for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
			row(out, name, visible.Value(r.Parameters[name]))
		}
		r.printRemarks(out, lang)
		r.printSteps(out, lang)
		r.printSigning(out, lang)
	}
}

func (r *report) printFaults(out *bufio.Writer, lang language) {
	for i, f := range r.Faults {
		if i > 0 {
			row(out, wordAlso.in(lang), visible.Line(f.Text))
		}
		if f.There != "" {
			row(out, wordThere.in(lang), visible.Line(f.There))
		}
		if f.Hint != "" {
			row(out, wordHint.in(lang), f.Hint)
		}
	}
	if r.Times != "" {
		row(out, wordTimesLabel.in(lang), r.Times)
	}
}

// printRemarks prints what does not keep an event from being sent.
func (r *report) printRemarks(out *bufio.Writer, lang language) {
	for _, k := range r.Ignored {
		text := visible.Value(k.Key)
		switch {
		case k.Meant != "":
			text = fmt.Sprintf(wordMeant.in(lang), text, k.Meant)
		case k.Service != "":
			text = fmt.Sprintf(wordBrackets.in(lang), text, k.Service)
		}
		row(out, wordIgnored.in(lang), text)
	}
	if r.Others > 0 {
		row(out, wordIgnored.in(lang), fmt.Sprintf(wordOthers.in(lang), r.Others))
	}
	for _, w := range r.Warnings {
		row(out, wordSuspicious.in(lang), string(w.Kind)+wordColon.in(lang)+w.Field+wordColon.in(lang)+w.Text)
		if w.Takes != "" {
			row(out, wordTakes.in(lang), w.Takes)
		}
	}
}

func (r *report) printSigning(out *bufio.Writer, lang language) {
	row(out, wordCredential.in(lang), r.Credential)
	if r.ToSign != "" {
		row(out, wordToSign.in(lang), visible.Value(r.ToSign))
	}
	if r.Sign != "" {
		row(out, wordSign.in(lang), r.Sign)
	}
	if r.Next != "" {
		row(out, wordNext.in(lang), r.Next)
	}
}

// row prints a line of two columns.
func row(out *bufio.Writer, label, text string) {
	const width = 15
	fmt.Fprintf(out, "  %s%s %s\n", label, strings.Repeat(" ", max(width-columns(label), 0)), text)
}

// columns are those that a text takes on a terminal. Chinese takes twice the room.
func columns(text string) (taken int) {
	for _, r := range text {
		taken++
		if r > 0x2e7f {
			taken++
		}
	}
	return taken
}
