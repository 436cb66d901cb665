package find

import (
	"fmt"
	"strings"

	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/consumer/fetch"
)

// The platform ignores a repeated number (flow_no) of a lot, and answers as if it had taken it. So of two events with
// one number and other content one is lost without an error. find says so of those that it shows. A dead-lettered event
// does not count: as far as is known the platform did not take it.

// otherContent is an event with the same number and other content.
type otherContent struct {
	At      string   `json:"at"`
	Field   string   `json:"field"`   // of the number
	Differs []string `json:"differs"` // the fields
}

func (o *otherContent) String() string {
	return fmt.Sprintf("same %s as %s, with other content: %s", o.Field, o.At, strings.Join(o.Differs, ", "))
}

// numbered is the first event that was found with a number.
type numbered struct {
	at      string
	content map[string]string
}

// earlierMatch says of an event that was printed what was found out later.
type earlierMatch struct {
	Kind         string       `json:"kind"` // other-content
	At           string       `json:"at"`
	OtherContent otherContent `json:"other_content"`
}

// compare compares an event with the first of its number.
func (f *finder) compare(m *foundMatch, topic string, rec *fetch.Record) {
	if m.Outcome == outcomeDeadLetter {
		return
	}
	number, content := session.Content(f.r.Mapper, session.RecordOf(topic, rec))
	if content == nil {
		return
	}
	first, seen := f.numbers[number]
	if !seen {
		f.numbers[number] = numbered{m.At, content}
		return
	}
	if differs := session.Differing(f.r.Mapper.Endpoint(), first.content, content); len(differs) > 0 {
		field := f.r.Mapper.Endpoint().Repeat
		m.OtherContent = &otherContent{first.at, field, differs}
		f.print.earlier = append(f.print.earlier, earlierMatch{"other-content", first.at, otherContent{m.At, field, differs}})
	}
}
