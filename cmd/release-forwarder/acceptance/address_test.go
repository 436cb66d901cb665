package acceptance

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// soon is how long a start may take beside an address that is of no use: one time-out,
// and what a start takes by itself.
const soon = 20 * time.Second

// addressScenarios: KAFKA_BROKERS names addresses that are of no use, at the start or
// later.
func addressScenarios() []scenario {
	return []scenario{
		{name: "KAFKA_BROKERS: one of two addresses hangs, 30 starts", run: startsBeside(30, func(t *testing.T) string { return newRelay(t, "").address() }), notOn: threeBrokers, disturbs: true},
		{name: "KAFKA_BROKERS: one of two addresses refuses, 10 starts", run: startsBeside(10, func(t *testing.T) string { return freeAddress(t) }), notOn: threeBrokers, disturbs: true},
		{name: "KAFKA_BROKERS: the second of two addresses is of another cluster, 10 starts", run: startsBeside(10, anotherAddress), notOn: threeBrokers, disturbs: true},
		{name: "KAFKA_BROKERS: all are replaced while a replica runs: they refuse", run: replaced(func(r *relay) { r.close() }), notOn: threeBrokers},
		{name: "KAFKA_BROKERS: all are replaced while a replica runs: they hang", run: replaced(func(r *relay) { r.leadTo("") }), notOn: threeBrokers},
		{name: "KAFKA_BROKERS: all are replaced while a replica runs: they are of another cluster", run: replacedByAnother, notOn: threeBrokers},
		{name: "KAFKA_BROKERS: asked again when none of the known brokers answers", run: knownGone, notOn: threeBrokers},
	}
}

// anotherAddress is a broker's of another cluster.
func anotherAddress(t *testing.T) string {
	return kafka.another(t).settings["KAFKA_BROKERS"]
}

// healthy is the address of one broker.
func (w *world) healthy() string {
	first, _, _ := strings.Cut(w.cluster.settings["KAFKA_BROKERS"], ",")
	return first
}

// startsBeside starts replicas that know one broker and one address of no use, ten at
// a time, each with a group of its own, and measures how long each takes to join.
func startsBeside(n int, useless func(t *testing.T) string) func(t *testing.T) {
	return func(t *testing.T) {
		w := newWorld(t, plan{})
		brokers := w.healthy() + "," + useless(t)
		var mu sync.Mutex
		var took []time.Duration // guarded by mu
		for done := 0; done < n; done += 10 {
			var wave sync.WaitGroup
			var started []*forwarder
			for i := range min(10, n-done) {
				f := w.start("KAFKA_BROKERS", brokers, "KAFKA_GROUP_ID", fmt.Sprintf("%s-%d", w.group, done+i))
				started = append(started, f)
				begun := time.Now()
				wave.Go(func() {
					if joins(f, begun.Add(soon)) {
						mu.Lock()
						defer mu.Unlock()
						took = append(took, time.Since(begun))
					}
				})
			}
			wave.Wait()
			for _, f := range started {
				f.kill()
			}
		}
		slices.Sort(took)
		said := fmt.Sprintf("%d of %d joined within %v", len(took), n, soon)
		if len(took) > 0 {
			said += fmt.Sprintf(": median %.1fs, slowest %.1fs", took[len(took)/2].Seconds(), took[len(took)-1].Seconds())
		}
		evidence.add(t.Name(), "-", said, "-")
		t.Log(said)
		if len(took) < n {
			t.Error(said)
		}
	}
}

// joins asks until the replica is ready, or the time has come.
func joins(f *forwarder, until time.Time) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; time.Now().Before(until) && f.alive(); <-tick.C {
		if status, _, err := f.get("/readyz"); err == nil && status == http.StatusOK {
			return true
		}
	}
	return false
}

// replaced starts a replica by an address that is then of no use, makes its group
// rebalance twice, and looks whether it is a member and sends.
func replaced(by func(r *relay)) func(t *testing.T) {
	return func(t *testing.T) {
		w := newWorld(t, plan{partitions: 2})
		named := newRelay(t, w.healthy())
		f := w.start("KAFKA_BROKERS", named.address()).ready()
		w.produce(w.releases(20, 2)...)
		w.drained()
		by(named)
		verdict := "the group's lag grows although nobody joins or leaves"
		defer func() { evidence.add(t.Name(), "-", verdict, "-") }()
		w.produce(w.releases(20, 2)...)
		w.drained()

		verdict = "it never rejoined"
		other := w.start().ready()
		rejoined := time.Now()
		eventually(t, "both are members", func() error { return w.members(2) })
		verdict = fmt.Sprintf("rejoined after %.1fs", time.Since(rejoined).Seconds())
		w.produce(w.releases(20, 2)...)
		w.drained()
		other.stop()
		left := time.Now()
		w.produce(w.releases(20, 2)...)
		w.drained()
		verdict += fmt.Sprintf(", alone again after %.1fs", time.Since(left).Seconds())
		f.stop()
		w.noDeadLetters()
	}
}

// members is nil when the group is stable with so many.
func (w *world) members(n int) error {
	groups, err := w.admin.DescribeGroups(w.ctx(), w.group)
	if err != nil {
		return err
	}
	if g := groups[w.group]; g.State != "Stable" || len(g.Members) != n {
		return fmt.Errorf("%s, %d members", g.State, len(g.Members))
	}
	return nil
}

func replacedByAnother(t *testing.T) {
	other := anotherAddress(t)
	replaced(func(r *relay) { r.leadTo(other) })(t)
}

// knownGone moves a cluster's only broker while nothing that the replica knows of it
// but KAFKA_BROKERS stays.
func knownGone(t *testing.T) {
	b := startAnother(t)
	direct := b.listeners["PLAINTEXT"]
	named, before, after := newRelay(t, direct), newRelay(t, direct), newRelay(t, direct)
	b.advertise(t, direct, before.address())
	w := newWorldOn(t, b.open(t, need{}), plan{})
	w.client.Close()
	f := w.start("KAFKA_BROKERS", named.address()).ready()
	w.connect()
	w.produce(w.releases(20, 1)...)
	w.drained()
	b.advertise(t, before.address(), after.address())
	before.close()
	begun := time.Now()
	w.connect()
	w.produce(w.releases(20, 1)...)
	w.drained()
	evidence.add(t.Name(), "-", fmt.Sprintf("sent and committed %.1fs after the broker was there again", time.Since(begun).Seconds()), "0")
	f.stop()
	w.noDeadLetters()
}

// advertise lets the broker send its clients elsewhere, and starts it anew.
func (b *realBackend) advertise(t testing.TB, from, to string) {
	t.Helper()
	if _, err := b.script("stop", "1"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(b.run, "1", "server.properties")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(line, []byte("advertised.listeners=")) {
			lines[i] = bytes.Replace(line, []byte("PLAINTEXT://"+from), []byte("PLAINTEXT://"+to), 1)
		}
	}
	if err := os.WriteFile(name, bytes.Join(lines, nil), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.script("start", "1"); err != nil {
		t.Fatal(err)
	}
}

// relay is an address that leads to another one, or hangs: it takes connections and
// never answers.
type relay struct {
	listener net.Listener
	mu       sync.Mutex
	to       string                // guarded by mu; "": nowhere
	conns    map[net.Conn]struct{} // guarded by mu; both sides
}

func newRelay(t testing.TB, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to, conns: map[net.Conn]struct{}{}}
	t.Cleanup(r.close)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.serve(conn)
		}
	}()
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) serve(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[conn] = struct{}{}
	if r.to == "" {
		return
	}
	there, err := net.Dial("tcp", r.to)
	if err != nil {
		_ = conn.Close()
		return
	}
	r.conns[there] = struct{}{}
	for from, to := range map[net.Conn]net.Conn{conn: there, there: conn} {
		go func() {
			_, _ = io.Copy(to, from) // an end on one side ends both
			_ = to.Close()
			_ = from.Close()
		}()
	}
}

// leadTo cuts what is open and leads elsewhere from now on.
func (r *relay) leadTo(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	for conn := range r.conns {
		_ = conn.Close()
	}
	clear(r.conns)
}

// close refuses all connections from now on.
func (r *relay) close() {
	_ = r.listener.Close()
	r.leadTo("")
}
