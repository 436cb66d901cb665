package forward

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"release-forwarder/consumer"
	"release-forwarder/dlq/receipt"
	"release-forwarder/upstream"
)

// Receipts are where receipts go. The zero value is nowhere: then no record waits for one.
type Receipts struct {
	Writer *receipt.Writer[*consumer.Delivery]
	// Digester is that of the newest key of RECEIPTS_KEY_FILE.
	Digester func() *receipt.Digester
	// Required: a record is finished only when its receipt is written.
	Required bool
}

// receipted is what is kept for a record's receipt.
type receipted struct {
	appID     string          // with which it was last sent
	receipt   receipt.Message // once it is known what became of it
	delivered bool            // it is not sent, and its dead letter not written, again
}

// noteReceipt notes what became of a record; the reason is its dead letter's.
func (f *Forwarder) noteReceipt(ctx context.Context, d *delivery, v receipt.Verdict, a upstream.Answer, reason string) {
	if f.Receipts.Writer == nil {
		return
	}
	r := receipt.Receipt{
		Lot:     sanitized(d.lot),
		Place:   receipt.Place{Topic: d.Record.Topic, Partition: d.Record.Partition, Offset: d.Record.Offset},
		Verdict: v, Reason: reason, Code: sanitized(a.Code), Seqno: sanitized(a.Seqno),
		Attempted: receipt.Attempted{Attempts: d.attempts, First: receipt.Stamp(d.first), Last: receipt.Stamp(d.last)},
	}
	if t, believable := d.Record.Dated(); believable {
		r.Time = receipt.Stamp(t)
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		r.Trace = span.TraceID().String()
	}
	f.digest(d, &r)
	d.receipt = r.Message()
}

// digest makes the digests: of one that cannot be mapped the key, if what it is made of can be read.
func (f *Forwarder) digest(d *delivery, r *receipt.Receipt) {
	digester := f.Receipts.Digester()
	if d.release == nil {
		told := Mapped(f.Mapper, &d.Record)
		r.Key = digester.Key(f.mapper.Load().Repeat(&told))
		return
	}
	r.Key = digester.Key(d.lot, d.release.Repeat())
	if d.attempts == 0 {
		return
	}
	signed := make([]upstream.Param, 1, 12)
	signed[0] = upstream.Param{Name: "app_id", Value: d.appID} // the first in the order of signing
	for name, value := range d.release.All() {
		signed = append(signed, upstream.Param{Name: name, Value: value})
	}
	if d.appID == "" {
		signed = signed[1:]
	}
	r.Signed = digester.Signed(upstream.StringToSign(signed, "***"))
}

// finish finishes a record whose outcome is certain: at once, or when its receipt is written or missing.
func (f *Forwarder) finish(ctx context.Context, d *delivery) {
	if f.Receipts.Writer == nil {
		d.Done()
		return
	}
	d.delivered = true
	cd, r := d.Delivery, d.receipt // copied: after Delivered another goroutine may use d
	cd.Delivered()
	f.Receipts.Writer.Write(ctx, r, cd)
}

// ReceiptsEnded finishes records whose receipts have ended, but none whose receipt is required and not written, and
// none that another replica may finish.
func (f *Forwarder) ReceiptsEnded(settling []*consumer.Delivery, err error) {
	if err == nil {
		f.Metrics.ReceiptsWritten(len(settling))
		consumer.Settled(settling)
		return
	}
	missing := 0
	for _, cd := range settling {
		if f.Receipts.Required || cd.Lost() {
			cd.Leave()
			continue
		}
		missing++
		cd.Done()
	}
	if missing > 0 {
		f.Metrics.ReceiptsMissing(missing)
		f.Receipts.Writer.Missing(missing, err) // also if a drain ends before they are late
	}
}

// ReceiptsLate logs that receipts cannot be written, and ReceiptsAgain that they are written again.
func (f *Forwarder) ReceiptsLate(err error) {
	eventReceiptsLate.Log(f.Log, slog.Bool("required", f.Receipts.Required), slog.String("error", err.Error()))
}

// ReceiptsAgain: see ReceiptsLate.
func (f *Forwarder) ReceiptsAgain() { eventReceiptsAgain.Log(f.Log) }
