package acceptance

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

const appID = "op88641899bd20661"

// station is the platform's double on a loopback port, with a ledger of what it
// saw and answered.
type station struct {
	*platform.Double
	ledger
	t       testing.TB
	address string
	server  *http.Server
}

// ledger orders what happened at the platform: an answer stands before anything
// the forwarder could do because of it.
type ledger struct {
	mu      sync.Mutex
	steps   []step                // guarded by mu
	accepts map[platform.Flow]int // guarded by mu: answers with code 1001, scripted ones too
}

// step is the arrival of a request, or the decision about its answer.
type step struct {
	flow     platform.Flow
	answered bool
	code     string // of an answer
	at       time.Time
}

func (l *ledger) add(s step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.at = time.Now()
	l.steps = append(l.steps, s)
	if s.answered && s.code == platform.CodeAccepted {
		l.accepts[s.flow]++
	}
}

// accepted is how often the flow number was answered 1001.
func (l *ledger) accepted(flow platform.Flow) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepts[flow]
}

// total is how many flow numbers were accepted.
func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepts)
}

// repeated is how many acceptances were of a flow number accepted before.
func (l *ledger) repeated() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, times := range l.accepts {
		n += times - 1
	}
	return n
}

// history is a copy of all steps.
func (l *ledger) history() []step {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]step(nil), l.steps...)
}

func openStation(t testing.TB) *station {
	s := &station{t: t, ledger: ledger{accepts: map[platform.Flow]int{}}}
	s.Double = platform.New(platform.Config{AppID: appID, Secret: plantedSecret, OnAnswer: func(r platform.Request) {
		s.add(step{flow: r.Flow(), answered: true, code: r.Code})
	}})
	s.script(nil)
	s.open()
	t.Cleanup(s.close)
	return s
}

// script sets the faults; the ledger sees every request first.
func (s *station) script(fault func(r *platform.Request) *platform.Reply) {
	s.Script(func(r *platform.Request) *platform.Reply {
		s.add(step{flow: r.Flow()})
		if fault == nil {
			return nil
		}
		return fault(r)
	})
}

// open listens, again on the same port after a close.
func (s *station) open() {
	s.t.Helper()
	var l net.Listener
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	eventually(s.t, "the platform listens", func() (err error) {
		l, err = net.Listen("tcp", s.address)
		return err
	})
	s.address = l.Addr().String()
	s.server = &http.Server{Handler: s.Double}
	go func(server *http.Server) { _ = server.Serve(l) }(s.server)
}

// close refuses all connections and cuts the open ones.
func (s *station) close() { _ = s.server.Close() }

// url is the endpoint, with a query that must stay unseen.
func (s *station) url() string {
	return "http://" + s.address + "/gate/1.0/parking/internal/update?" + plantedQuery
}
