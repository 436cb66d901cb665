package apptest

import (
	"fmt"

	"release-forwarder/cmd/testkit/platform"
)

// The methods below replace the script that the platform had before (platform.Double.Script): it answers in one way at a
// time. w.Platform.Script(nil) makes it accept everything again.

// FailFlows makes the platform answer 500 to the events whose flow number match chooses, and accept all others.
func (w *World) FailFlows(match func(flow string) bool) {
	w.answer(500, func(r *platform.Request) bool { return match(r.Params["flow_no"]) })
}

// FailOrderKey makes the platform answer 500 to the events of a parking, such as S-1.
func (w *World) FailOrderKey(serial string) {
	w.answer(500, func(r *platform.Request) bool { return r.Params["parking_serial"] == serial })
}

// RefuseLot makes the platform answer 401 to the events of a lot.
func (w *World) RefuseLot(lot string) {
	w.answer(401, func(r *platform.Request) bool { return r.Params["park_uuid"] == lot })
}

func (w *World) answer(code int, chosen func(r *platform.Request) bool) {
	w.Platform.Script(func(r *platform.Request) *platform.Reply {
		if chosen(r) {
			return &platform.Reply{Status: code, Body: fmt.Sprintf(`{"code":"%d"}`, code)}
		}
		return nil
	})
}

// AnswersOf counts a lot's requests that were accepted, and those that had any other answer.
func (w *World) AnswersOf(lot string) (accepted, others int) {
	for _, r := range w.Platform.Requests() {
		if r.Params["park_uuid"] != lot {
			continue
		}
		if r.Code == "1001" {
			accepted++
		} else {
			others++
		}
	}
	return accepted, others
}

// StartWithHeldRecords starts a replica and produces 5 records to partition 0, of which those at the offsets 0 and 3
// (order key S-1) are held, the others accepted, and the commit says so. The platform fails S-1 from then on.
func (w *World) StartWithHeldRecords() *Replica {
	w.T.Helper()
	w.FailOrderKey("S-1")
	r := w.Start()
	w.Until("the group", func() bool { return w.Committed(0) == 0 })
	w.Produce(0, Event(1, 0), Event(2, 0), Event(3, 0), Event(1, 1), Event(4, 0))
	w.Until("the acceptances", func() bool { return w.Platform.Stats().Accepted == 3 })
	w.Until("the commit", func() bool {
		c := w.CommitOf(w.Kafka, 0)
		said, err := DecodeCommit(ClusterID, EventTopic, 0, c.At, c.Metadata)
		return err == nil && len(said.Done) == 3
	})
	return r
}
