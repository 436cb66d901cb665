package app

import (
	"sync/atomic"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer"
	"release-forwarder/dlq/receipt"
)

// receipts are where receipts go: nowhere without RECEIPTS_TOPIC.
type receipts struct {
	writer   *receipt.Writer[*consumer.Delivery]
	digester *atomic.Pointer[receipt.Digester] // of the newest key
}

func (v *Service) wireReceipts() error {
	s := &v.settings.Receipts
	if s.Topic == "" {
		return nil
	}
	digester := new(atomic.Pointer[receipt.Digester])
	v.receipts = receipts{digester: digester, writer: receipt.NewWriter(receipt.Config[*consumer.Delivery]{
		Wire: v.kafka.Wire, Timeout: connect.RequestTimeout, Topic: s.Topic, Required: s.Required,
		Ended: func(settling []*consumer.Delivery, err error) { v.forwarder.ReceiptsEnded(settling, err) },
		Began: func(err error) { v.forwarder.ReceiptsLate(err) }, Over: func() { v.forwarder.ReceiptsAgain() },
	})}
	return watch(v, "RECEIPTS_KEY_FILE", s.KeyFile, settings.ParseReceiptKeys,
		func(keys []settings.Secret) { digester.Store(receipt.NewDigester(keys[0].Reveal())) })
}

func (r *receipts) forForwarder(required bool) forward.Receipts {
	if r.writer == nil {
		return forward.Receipts{}
	}
	return forward.Receipts{Writer: r.writer, Required: required, Digester: r.digester.Load}
}

// snapshot is the state of the topic of the receipts.
func (r *receipts) snapshot() receipt.State {
	if r.writer == nil {
		return receipt.State{}
	}
	return r.writer.State()
}

func (r *receipts) close() {
	if r.writer != nil {
		r.writer.Close()
	}
}
