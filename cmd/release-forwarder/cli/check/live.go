package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
)

// Do checks the last records of the live topic, with --from-topic. A nil dial is the network.
func (c *Command) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	lang := c.Lang.or(os.Getenv)
	if len(c.Files) > 0 || c.At != "" || c.Topic != "" || len(c.Header) > 0 || c.Key != "" {
		return lang.told(errors.New("--from-topic: leave out FILE, --at, --topic, --header and --key; a record has its own"))
	}
	if c.Last < 1 {
		return lang.told(errors.New("--last: give 1 or more"))
	}
	return lang.told(session.Open(ctx, sc, dial, false, "", []settings.Group{settings.GroupCredential}, func(r *session.Session) error {
		out := bufio.NewWriter(sc.Out)
		k, err := newChecker(c, r.Settings, out)
		if err != nil {
			return err
		}
		k.live = true
		last := c.Last
		for i, name := range r.Settings.Kafka.Topics {
			share := last / int64(len(r.Settings.Kafka.Topics)-i)
			if err = k.topic(ctx, topic.NewLog(r.Wire, r.Settings.Kafka.ClientID, name), share); err != nil {
				break
			}
			last -= share
		}
		if err == nil {
			k.end()
		}
		if flushErr := out.Flush(); err == nil {
			err = flushErr
		}
		return k.verdict(err)
	}))
}

// topic checks the last records of a topic, one after the other.
func (k *checker) topic(ctx context.Context, log *topic.Log, last int64) error {
	spans, err := log.Spans(ctx)
	if err != nil {
		return err
	}
	before := k.sum.Events
	for _, span := range topic.Last(spans, last) {
		for rec, err := range log.Read(ctx, span.Partition, span.First, span.End) {
			if err != nil {
				return err
			}
			at := dlq.ID{Topic: log.Topic(), Partition: span.Partition, Offset: rec.Offset}
			k.take(place{input: at.String()}, recordOf(log.Topic(), &rec))
		}
	}
	if k.sum.Events == before && last > 0 {
		k.print(&report{place: place{input: log.Topic()}, Verdict: noEvent})
	}
	return nil
}

// recordOf is what the mapping is told of a record, as the service tells it: of a replayed one the topic in which its
// event was first.
func recordOf(name string, rec *fetch.Record) *mapping.Record {
	headers := rec.Headers.All()
	dated, _ := rec.Dated()
	return &mapping.Record{Topic: dlq.FirstTopic(name, headers), Key: rec.Key, Value: rec.Value, Headers: headers, Time: dated}
}

// hidden reports whether values are redacted.
func (j *judge) hidden() bool { return j.live && !j.reveal }

// hide leaves of a report what may be shown of a live record: mapped fields, redacted by the endpoint's table, and of the
// rest the length.
func (j *judge) hide(r *report) {
	for i := range r.Steps {
		s := &r.Steps[i]
		s.Sent = redacted(s.Field, s.Sent, j.mapper)
		for l := range s.Sources {
			if seen := &s.Sources[l].Seen; *seen != "" {
				*seen = fmt.Sprintf(wordLength.in(j.lang), console.Number(s.Sources[l].length))
			}
		}
	}
	for i := range r.Faults {
		f := &r.Faults[i]
		if f.There = ""; i > 0 || r.Encoding == "" {
			f.Hint = ""
		}
	}
	for name, text := range r.Parameters {
		r.Parameters[name] = redacted(name, text, j.mapper)
	}
	r.Others, r.Ignored = len(r.Ignored), nil
	r.ToSign, r.Sign, r.Next = "", "", ""
}

// redacted is a field's text as it may be shown: of one that is personal at the endpoint of a mapper, the first character
// and the length.
func redacted(field, text string, by ...*mapping.Mapper) string {
	for _, m := range by {
		if f, _ := m.Endpoint().Field(field); f.Personal {
			return redact.Text(text)
		}
	}
	return text
}
