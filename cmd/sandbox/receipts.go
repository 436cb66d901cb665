package main

import (
	"context"
	"fmt"
)

// example shows one receipt, as soon as there is one of an accepted event. It reports whether it did.
func (w *world) example() bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, value, is, err := w.kafka.Example(ctx)
	if err != nil || !is {
		return false // at the next look
	}
	flow, ours := w.book.Flow(r.Of)
	if !ours {
		return false
	}
	w.out.Say(fmt.Sprintf("sandbox    a receipt   of event %s of lot %s, in topic %s:\n           %s", flow.No, flow.Lot, w.kafka.Receipts, value))
	return true
}
