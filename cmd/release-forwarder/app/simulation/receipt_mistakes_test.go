package simulation

import (
	"context"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer"
	"release-forwarder/dlq/receipt"
	"release-forwarder/mapping"
)

// receiptMistakes are those of the step from an outcome to its receipt.
func receiptMistakes() []*mistake {
	notRequired := &mistake{name: "a required receipt is treated as not required", settings: func(c *settings.Settings) { c.Receipts.Required = false }}
	none := &mistake{name: "no receipt is written", settings: func(c *settings.Settings) { c.Receipts = settings.Receipts{} }}
	notAwaited := handled("a commit does not wait for a required receipt", func(h *handler, ctx context.Context, d *consumer.Delivery) {
		h.right.Handle(ctx, d)
		consumer.Settled([]*consumer.Delivery{d})
	})
	refused := &mistake{name: "a receipt that was refused is taken for written", shows: []string{receiptRefused.name}, double: func(v *app.Parts, _ *consumer.Config) {
		v.Forwarder.Receipts.Writer = receiptWriter(v, func(settling []*consumer.Delivery, _ error) { v.Forwarder.ReceiptsEnded(settling, nil) })
	}}
	otherKey := &mistake{name: "a receipt's key is made with an older secret", double: func(v *app.Parts, _ *consumer.Config) {
		older := receipt.NewDigester("an older key, which no new receipt is of")
		v.Forwarder.Receipts.Digester = func() *receipt.Digester { return older }
	}}
	early := receipted("a receipt is written for a record that is not finished", func(h *handler, ctx context.Context, d *consumer.Delivery, write func(*receipt.Receipt)) {
		write(acceptedReceipt(h, d))
		h.right.Handle(ctx, d)
	})
	another := receipted("a receipt is that of another record", func(h *handler, ctx context.Context, d *consumer.Delivery, write func(*receipt.Receipt)) {
		r := acceptedReceipt(h, d)
		r.Offset ^= 1
		h.right.Handle(ctx, d)
		if d.Gone() {
			write(r)
		}
	})
	another.settings = none.settings // this one writes them instead
	all := []*mistake{notRequired, none, notAwaited, refused, otherKey, early, another}
	for _, m := range all {
		m.needs = func(plan *schedule) bool { return plan.receipts }
	}
	for _, m := range []*mistake{notRequired, notAwaited} {
		m.needs = func(plan *schedule) bool { return plan.required }
	}
	return all
}

// receiptWriter is one beside the service's.
func receiptWriter(v *app.Parts, ended func([]*consumer.Delivery, error)) *receipt.Writer[*consumer.Delivery] {
	return receipt.NewWriter(receipt.Config[*consumer.Delivery]{
		Wire: v.Wire, Timeout: connect.RequestTimeout, Topic: apptest.ReceiptsTopic,
		Ended: ended, Began: func(error) {}, Over: func() {},
	})
}

// receipted writes receipts of its own.
func receipted(name string, handle func(h *handler, ctx context.Context, d *consumer.Delivery, write func(*receipt.Receipt))) *mistake {
	m := handled(name, nil)
	within := m.double
	m.double = func(v *app.Parts, cfg *consumer.Config) {
		within(v, cfg)
		w := receiptWriter(v, func([]*consumer.Delivery, error) {})
		cfg.Handler.(*handler).handle = func(h *handler, ctx context.Context, d *consumer.Delivery) {
			handle(h, ctx, d, func(r *receipt.Receipt) { w.Write(ctx, r.Message(), d) })
		}
	}
	return m
}

// acceptedReceipt says that a record was accepted.
func acceptedReceipt(h *handler, d *consumer.Delivery) *receipt.Receipt {
	return &receipt.Receipt{
		Key:     receipt.NewDigester(apptest.ReceiptsKey).Key(h.mapper.Repeat(&mapping.Record{Value: d.Record.Value, Time: d.Record.Time})),
		Place:   receipt.Place{Topic: d.Record.Topic, Partition: d.Record.Partition, Offset: d.Record.Offset},
		Verdict: receipt.Accepted,
	}
}
