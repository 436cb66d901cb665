package acceptance

import (
	"fmt"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

func orderScenarios() []scenario {
	return []scenario{
		{name: "an order key's events are sent in order, whatever fails", run: order},
		{name: "a dead letter keeps its place in its order key", run: orderWithDeadLetters},
	}
}

// orderKeys makes events of several order keys, their turns mixed.
func (w *world) orderKeys(orderKeys, each, partitions int) []*event {
	w.t.Helper()
	var all []*event
	for range each {
		for s := range orderKeys {
			all = append(all, w.release(int32(s%partitions), "parking_serial", fmt.Sprintf("%s-session-%d", planted, s)))
		}
	}
	return all
}

// inOrder checks that no event of an order key arrived at the platform before
// the one before it was accepted or refused for good.
func (w *world) inOrder(events []*event) {
	w.t.Helper()
	before := map[platform.Flow]*event{}
	last := map[string]*event{}
	for _, e := range events {
		if p := last[e.orderKey]; p != nil {
			before[e.flow] = p
		}
		last[e.orderKey] = e
	}
	done := map[platform.Flow]bool{}
	early := 0
	for _, s := range w.platform.history() {
		switch p := before[s.flow]; {
		case s.answered:
			done[s.flow] = done[s.flow] || s.code == platform.CodeAccepted || s.code == platform.CodeBadParam
		case p != nil && !done[p.flow]:
			if early++; early == 1 {
				w.t.Errorf("%s was sent before %s was finished", s.flow.No, p.flow.No)
			}
		}
	}
	if early > 1 {
		w.t.Errorf("%d requests came before their turn", early)
	}
}

func order(t *testing.T) {
	w := newWorld(t, plan{partitions: 2, settings: map[string]string{"UPSTREAM_TIMEOUT": "500ms", "RETRY_BUDGET": "0"}})
	w.watchCommits()
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Attempt > 4 {
			return nil
		}
		switch r.Seq % 11 { // what fails changes from run to run; that something does, not
		case 0:
			return &platform.Reply{Status: 500, Body: body("500")}
		case 3:
			return &platform.Reply{Cut: true}
		case 5:
			return &platform.Reply{Lose: true}
		case 7:
			return &platform.Reply{Delay: 20 * time.Millisecond}
		}
		return nil
	})
	events := w.orderKeys(20, 15, 2)
	w.produce(events...)
	w.start()
	w.drained()
	w.noDeadLetters()
	w.inOrder(events)
}

func orderWithDeadLetters(t *testing.T) {
	w := newWorld(t, plan{})
	w.watchCommits()
	events := w.orderKeys(5, 10, 1)
	refused := map[platform.Flow]bool{}
	for i, e := range events {
		if i%7 == 0 {
			refused[e.flow] = true
		}
	}
	w.platform.script(func(r *platform.Request) *platform.Reply {
		switch {
		case r.Attempt == 1 && r.Seq%5 == 0:
			return &platform.Reply{Status: 500, Body: body("500")}
		case refused[r.Flow()]:
			return &platform.Reply{Body: body("400"), Delay: 10 * time.Millisecond}
		}
		return nil
	})
	w.produce(events...)
	w.start()
	w.drained()
	w.inOrder(events)
	for _, e := range events {
		if refused[e.flow] {
			w.checkDeadLetter(t, e, map[string]string{"reason": "refused"})
		}
	}
}
