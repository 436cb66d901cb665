package main

import (
	"context"
	"fmt"
	"time"

	"release-forwarder/cmd/sandbox/account"
	"release-forwarder/cmd/sandbox/faults"
)

// watch shows the run until it is asked to stop, or for that long (0: until
// asked). An error is that of a part that ended by itself.
func (w *world) watch(ctx context.Context, limit time.Duration) error {
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		w.show("events flow; Ctrl-C stops the lanes and settles the account")
		select {
		case <-ticker.C:
		case <-over:
			return nil
		case <-ctx.Done():
			return nil
		case <-w.forwarder.Done():
			w.out.Keep()
			return w.forwarder.died()
		}
	}
}

// stop ends faults and lanes, lets the forwarder finish what waits, and asks it
// to stop. Only a forwarder that fails is an error; one that does not finish in
// time will be seen in the account.
func (w *world) stop(limit time.Duration) error {
	w.out.Say(fmt.Sprintf("sandbox    faults and lanes stop; the forwarder may take %v for what waits", limit))
	w.player.Stop()
	w.shut()
	w.acts.Wait()
	if err := <-w.lanesEnd; err != nil {
		w.out.Say("sandbox    " + err.Error())
	}
	if err := w.drain(limit); err != nil {
		return err
	}
	w.show("stopped")
	w.out.Keep()
	w.out.Say("sandbox    SIGTERM to the forwarder")
	inTime := w.forwarder.Stop(stopLimit)
	switch err := w.forwarder.Err(); {
	case !inTime:
		return fmt.Errorf("the forwarder did not stop within %v and was killed; its last lines (%s):\n%s", stopLimit, w.forwarder.Log, w.forwarder.Tail(15))
	case err != nil:
		return fmt.Errorf("the forwarder did not stop cleanly (%w); its last lines (%s):\n%s", err, w.forwarder.Log, w.forwarder.Tail(15))
	}
	return nil
}

// drain waits until Kafka says that all is committed, at most limit.
func (w *world) drain(limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for tick := 0; ; tick++ {
		if tick%5 == 0 {
			w.show("the lanes have stopped; the forwarder finishes what waits")
		}
		if p, err := w.progress(); err == nil && p.Lag == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-timer.C:
			return nil
		case <-w.forwarder.Done():
			w.out.Keep()
			return w.forwarder.died()
		}
	}
}

// settle shows the account.
func (w *world) settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	evidence, err := w.kafka.Evidence(ctx)
	if err != nil {
		return err
	}
	a := account.Settle(w.book, eventTopic, evidence)
	w.out.Say("\nAccount, from Kafka's records and the platform's own:\n\n" + a.Table(w.player.Hits(faults.Lost)) + "\n\n" + a.Verdict())
	if !a.Closes() {
		return errUnsettled
	}
	return nil
}
