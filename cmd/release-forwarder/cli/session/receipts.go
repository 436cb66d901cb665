package session

import (
	"fmt"

	"release-forwarder/consumer/fetch"
	"release-forwarder/dlq/receipt"
)

// Receipts is the reader of RECEIPTS_TOPIC; nil without that setting. The command must have loaded the receipts'
// settings.
func (r *Session) Receipts() *receipt.Reader {
	if r.Settings.Receipts.Topic == "" {
		return nil
	}
	return receipt.NewReader(r.Wire, r.Settings.Kafka.ClientID, r.Settings.Receipts.Topic)
}

// ReceiptKeys are the keys that the receipts of a record's event may have; none if its lot or number cannot be read.
func (r *Session) ReceiptKeys(ring receipt.Ring, topic string, rec *fetch.Record) [][]byte {
	return ring.Keys(r.Mapper.Repeat(RecordOf(topic, rec)))
}

// Ring reads the keys of RECEIPTS_KEY_FILE.
func (r *Session) Ring() (receipt.Ring, error) {
	secrets, err := r.Settings.Receipts.ReadKeys()
	if err != nil {
		return nil, fmt.Errorf("RECEIPTS_KEY_FILE: %w", err)
	}
	keys := make([]string, len(secrets))
	for i, secret := range secrets {
		keys[i] = secret.Reveal()
	}
	return receipt.NewRing(keys...), nil
}
