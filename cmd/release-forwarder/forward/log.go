package forward

import (
	"errors"
	"log/slog"

	"release-forwarder/consumer"
	"release-forwarder/upstream"
)

// about returns what a log line may say about a record: its place, not its content.
func (f *Forwarder) about(d *consumer.Delivery, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String("topic", d.Record.Topic), slog.Int("partition", int(d.Record.Partition)), slog.Int64("offset", d.Record.Offset),
	}, more...)
}

// answer returns what a log line may say about an answer.
func answer(a upstream.Answer, more ...slog.Attr) []slog.Attr {
	attrs := append([]slog.Attr{slog.String("verdict", a.Verdict.String())}, more...)
	if a.HTTPStatus != 0 {
		attrs = append(attrs, slog.Int("http_status", a.HTTPStatus))
	}
	if a.Code != "" {
		attrs = append(attrs, slog.String("code", upstream.Sanitize(a.Code)))
	}
	if a.Seqno != "" {
		attrs = append(attrs, slog.String("seqno", upstream.Sanitize(a.Seqno)))
	}
	if a.Explanation != "" {
		attrs = append(attrs, slog.String("explanation", a.Explanation))
	}
	var text *upstream.Error
	if errors.As(a.Err, &text) {
		attrs = append(attrs, slog.String("error", text.Error()))
	}
	return attrs
}
