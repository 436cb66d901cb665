package acceptance

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// endScenarios: how a process ends, and what its successor does.
func endScenarios() []scenario {
	return []scenario{
		{name: "kill -9 with a record held at the front: the finished ones behind it are not repeated", run: killWithHeldRecord},
		{name: "kill -9 under load: nothing lost, few repeats", run: killUnderLoad},
		{name: "SIGTERM under load: exit 0, no repeats", run: termUnderLoad},
		{name: "three replicas, rolling restart under load: nothing lost, no repeats", run: rolling},
		{name: "a replica frozen past its session: nothing lost, no commit ahead", run: frozen},
		{name: "a second signal ends at once, exit 1", run: secondSignal},
	}
}

func killWithHeldRecord(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"RETRY_BUDGET": "0"}})
	w.watchCommits()
	held := w.release(0)
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() == held.flow {
			return &platform.Reply{Body: body("500")}
		}
		return nil
	})
	neighbours := w.releases(300, 1)
	w.produce(append([]*event{held}, neighbours...)...)
	f := w.start()
	w.acceptedAll(neighbours...)
	w.allButOneDone()
	f.kill()
	w.start()
	tries := w.platform.Tally(held.flow).Received
	eventually(t, "the successor tries the held record", func() error {
		if w.platform.Tally(held.flow).Received == tries {
			return fmt.Errorf("no request after %d", tries)
		}
		return nil
	})
	w.platform.script(nil)
	w.drained()
	w.noDeadLetters()
	w.acceptedOnce(neighbours...)
}

// load produces events until it is stopped, a batch for each answer of Kafka.
func (w *world) load(partitions int) (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.produce(w.releases(10*partitions, partitions)...)
			case <-ctx.Done():
				return
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(stop)
	return stop
}

// total waits until so many events are accepted.
func (w *world) total(n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%d are accepted", n), func() error {
		if got := w.platform.total(); got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
}

func killUnderLoad(t *testing.T) {
	const inFlight = 8
	w := newWorld(t, plan{partitions: 4, settings: map[string]string{"KAFKA_SESSION_TIMEOUT": "3s", "UPSTREAM_MAX_IN_FLIGHT": fmt.Sprint(inFlight)}})
	w.watchCommits()
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 20 * time.Millisecond} })
	w.produce(w.releases(2000, 4)...)
	allowed := 0
	for _, at := range []int{400, 1000} {
		f := w.start()
		w.total(at)
		f.kill()
		// It may repeat what was under way and what was accepted within the
		// last commit interval, to which a commit's own time is added.
		killed := time.Now()
		allowed += inFlight
		for _, s := range w.platform.history() {
			if s.answered && s.code == platform.CodeAccepted && killed.Sub(s.at) < time.Second {
				allowed++
			}
		}
	}
	w.start()
	w.drained()
	w.noDeadLetters()
	if n := w.platform.repeated(); n > allowed {
		t.Errorf("%d repeats, at most %d were under way or not yet committed", n, allowed)
	}
	t.Log(w.summary())
}

func termUnderLoad(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	w.watchCommits()
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 5 * time.Millisecond} })
	w.produce(w.releases(3000, 2)...)
	for _, at := range []int{300, 1200} {
		f := w.start()
		w.total(at)
		f.stop()
	}
	w.start()
	w.drained()
	w.noDeadLetters()
	if n := w.platform.repeated(); n > 0 {
		t.Errorf("%d repeats, want none", n)
	}
}

func rolling(t *testing.T) {
	w := newWorld(t, plan{partitions: 6})
	w.watchCommits()
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 2 * time.Millisecond} })
	stop := w.load(6)
	replicas := []*forwarder{w.start(), w.start(), w.start()}
	for _, f := range replicas {
		f.ready()
	}
	for i, f := range replicas {
		w.total(w.platform.total() + 100)
		f.stop()
		replicas[i] = w.start().ready()
	}
	w.total(w.platform.total() + 100)
	stop()
	w.drained()
	w.noDeadLetters()
	if n := w.platform.repeated(); n > 0 {
		t.Errorf("%d repeats, want none", n)
	}
	for _, f := range replicas {
		f.stop()
	}
	t.Log(w.summary())
}

func frozen(t *testing.T) {
	w := newWorld(t, plan{partitions: 2, settings: map[string]string{"KAFKA_SESSION_TIMEOUT": "2s"}})
	w.watchCommits()
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 5 * time.Millisecond} })
	stop := w.load(2)
	f := w.start()
	w.total(200)
	f.signal(syscall.SIGSTOP)
	w.start()
	w.total(w.platform.total() + 500) // by the other, once the session is over
	f.signal(syscall.SIGCONT)
	w.total(w.platform.total() + 500)
	stop()
	w.drained()
	w.noDeadLetters()
	f.stays()
}

func secondSignal(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"UPSTREAM_TIMEOUT": "1m"}})
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Hang: true} })
	w.produce(w.release(0))
	f := w.start()
	eventually(t, "a request is open", func() error {
		if w.platform.Stats().InFlight == 0 {
			return fmt.Errorf("none")
		}
		return nil
	})
	f.signal(syscall.SIGTERM)
	f.answers("/readyz", 503) // the first signal was taken
	f.signal(syscall.SIGTERM)
	if code := f.exit(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}
