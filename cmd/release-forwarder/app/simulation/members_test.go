package simulation

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/memnet"
)

// join starts a member; nil where it cannot start, or the run ends.
func (s *simulation) join(doubles ...app.Double) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil
	}
	n := len(s.members) + 1
	m := &member{host: &host{number: n, address: fmt.Sprintf("10.0.0.%d", n)}, link: s.net.NewLink(byte(n)), done: make(chan error, 1)}
	m.link.Delivered = s.observer.delivered
	m.link.GivenUp = func(underWay []byte) { s.observer.gaveUp(m.host, underWay) }
	m.open = func() (int, int) { return m.link.Open(isPlatform) }

	t := s.plan.tuning
	c := s.base
	c.Kafka.Brokers = slices.Clone(s.brokers)
	c.Kafka.ClientID = fmt.Sprintf("replica-%d", n)
	c.Kafka.GroupProtocol = s.plan.protocol
	c.Kafka.SessionTimeout, c.Kafka.HeartbeatInterval, c.Kafka.RebalanceTimeout = sessionTime, 1500*time.Millisecond, rebalanceTime
	c.Upstream.URL = &url.URL{Scheme: "http", Host: "127.0.0.1:80", Path: "/gate"}
	c.Upstream.MaxInFlight, c.Upstream.Timeout = t.maxInFlight, t.timeout
	c.Consumer.MaxPending, c.Consumer.CommitInterval, c.Consumer.DrainTimeout = t.maxPending, t.commit, drainTime
	c.Retry.Budget, c.Retry.BackoffMax = t.budget, 4*time.Second
	c.Credential.AppSecretFile = s.secretFile
	if s.plan.receipts {
		c.Receipts = settings.Receipts{Topic: apptest.ReceiptsTopic, KeyFile: s.keyFile, Required: s.plan.required}
	}
	if s.mistake != nil && s.mistake.settings != nil {
		s.mistake.settings(&c)
	}
	log := s.log
	if log == nil {
		log = io.Discard
	}
	v, err := app.New(app.Config{Settings: &c, Dial: m.link.Dial, Stderr: log, Doubles: append(append(doubles, s.mistake.doubles()...), s.counting)})
	if err != nil {
		s.observer.fail("a member cannot start: %v", err)
		return nil
	}
	m.service = v
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	// What lies on everybody's links lies on this one too.
	for _, other := range s.members {
		for _, e := range other.effects {
			if e.fault.kind.everybody && !slices.ContainsFunc(m.effects, func(mine effect) bool { return mine.fault == e.fault }) {
				m.effects = append(m.effects, e)
			}
		}
	}
	s.apply(m)
	s.members = append(s.members, m)
	s.observer.mu.Lock()
	s.observer.hosts[m.address] = m.host
	s.observer.say("replica %d starts", n)
	s.observer.mu.Unlock()
	go func() { m.done <- v.Run(ctx) }()
	return m
}

func (s *simulation) alive() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, m := range s.members {
		if !m.gone {
			n++
		}
	}
	return n
}

// pick chooses a member that is there; nil if none is.
func (s *simulation) pick(n uint64) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	var there []*member
	for _, m := range s.members {
		if !m.gone {
			there = append(there, m)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return there[n%uint64(len(there))]
}

// apply puts a member's effects on its link; s.mu is held.
func (s *simulation) apply(m *member) (hit int) {
	if m.dead {
		return 0
	}
	effects := slices.Clone(m.effects)
	foul := slices.ContainsFunc(effects, func(e effect) bool { return e.match("127.0.0.1:80") })
	s.foulOne(m, foul)
	down := s.down
	return m.link.Set(func(address string) (c memnet.Condition) {
		c.Refuse = down && !isPlatform(address)
		for _, e := range effects {
			if !e.match(address) {
				continue
			}
			c = c.Or(e.what)
			if e.what.Delay > 0 {
				e.fault.hit(1)
			}
		}
		return c
	})
}

// affect puts a condition on connections of one member, or of all.
func (s *simulation) affect(f *fault, only *member, match func(string) bool, what memnet.Condition) (end func()) {
	over := func() {}
	if match(s.brokers[0]) || match(s.brokers[1]) || match(s.brokers[2]) {
		var h *host
		if only != nil {
			h = only.host
		}
		over = s.observer.disturb(h)
	}
	s.mu.Lock()
	hit := 0
	for _, m := range s.members {
		if only == nil || m == only {
			m.effects = append(m.effects, effect{f, match, what})
			hit += s.apply(m)
		}
	}
	s.mu.Unlock()
	f.hit(hit)
	return func() {
		s.mu.Lock()
		for _, m := range s.members {
			before := len(m.effects)
			m.effects = slices.DeleteFunc(m.effects, func(e effect) bool { return e.fault == f })
			if len(m.effects) != before {
				s.apply(m)
			}
		}
		s.mu.Unlock()
		over()
	}
}

// foul notes that the way to the platform of one member, or of all, is disturbed
// or fair again.
func (s *simulation) foul(only *member, foul bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if only == nil || m == only {
			s.foulOne(m, foul)
		}
	}
}

func (s *simulation) foulOne(m *member, foul bool) {
	s.observer.mu.Lock()
	defer s.observer.mu.Unlock()
	if m.foul != foul {
		m.foul, m.fair = foul, time.Now()
	}
}

// cut resets the connections of all members to the addresses that match.
func (s *simulation) cut(f *fault, match func(string) bool) {
	s.mu.Lock()
	members := slices.Clone(s.members)
	s.mu.Unlock()
	for _, m := range members {
		f.hit(m.link.Cut(match))
	}
}

// asked counts the requests in flight to a broker.
func (s *simulation) asked(broker string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		_, asked := m.link.Open(func(address string) bool { return same(address, broker) })
		n += asked
	}
	return n
}

func joinMember(s *simulation, f *fault) func() {
	if s.alive() < mostMembers && s.join() != nil {
		f.hit(1)
	}
	return nil
}

// joinOtherVersion starts a member that neither writes nor understands the format
// of metadata that the others do (P8). From then on records may repeat.
func joinOtherVersion(s *simulation, f *fault) func() {
	if s.alive() >= mostMembers {
		return nil
	}
	s.observer.mu.Lock()
	s.observer.mixed = true
	s.observer.mu.Unlock()
	if s.join(otherVersion) != nil {
		f.hit(1)
	}
	return nil
}

// stopMember tells a member to stop, as SIGTERM does; half of them come back.
func stopMember(s *simulation, f *fault) func() {
	m := s.pick(f.a)
	if m == nil {
		return nil
	}
	_, asked := m.link.Open(isPlatform)
	f.hit(asked)
	s.halt(m)
	s.comeBack(f)
	return nil
}

// halt tells a member to stop and holds it to its time.
func (s *simulation) halt(m *member) {
	s.mu.Lock()
	m.gone = true
	s.mu.Unlock()
	o := s.observer
	o.mu.Lock()
	m.stopped = time.Now()
	o.say("replica %d is told to stop", m.number)
	o.mu.Unlock()
	m.stop()
	s.stopping.Go(func() {
		err := <-m.done
		m.done <- err
		o.mu.Lock()
		defer o.mu.Unlock()
		took := time.Since(m.stopped)
		o.say("replica %d has stopped, after %s", m.number, took)
		if err != nil || took > drainTime+10*time.Second {
			o.breach("stop", "replica %d stopped after %s with %v", m.number, took, err)
		}
	})
}

// killMember ends a member without a word: its connections break, whatever it
// still does reaches nobody, and what it knew is gone. Some come back.
func killMember(s *simulation, f *fault) func() {
	m := s.pick(f.a)
	if m == nil {
		return nil
	}
	s.mu.Lock()
	m.gone, m.dead = true, true
	m.link.Set(func(string) memnet.Condition { return memnet.Condition{Refuse: true} })
	s.mu.Unlock()
	s.observer.mu.Lock()
	m.killed = time.Now()
	s.observer.say("replica %d is killed", m.number)
	s.observer.mu.Unlock()
	f.hit(m.link.Cut(nil))
	m.stop()
	s.comeBack(f)
	return nil
}

// comeBack starts another member some time after one has gone, most times.
func (s *simulation) comeBack(f *fault) {
	if f.b%4 == 0 && s.alive() > 0 {
		return
	}
	s.stopping.Go(func() {
		time.Sleep(time.Duration(f.b%5000) * time.Millisecond)
		if s.alive() < mostMembers {
			s.join()
		}
	})
}

// addPartitions adds one, and events to it some time later.
func addPartitions(s *simulation, f *fault) func() {
	o := s.observer
	o.mu.Lock()
	n := int32(len(o.parts))
	o.mu.Unlock()
	_, asked := 0, 0
	if s.cluster.Load().TopicInfo(apptest.EventTopic) == nil {
		return nil // it is being made anew
	}
	for _, b := range s.brokers {
		asked += s.asked(b)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o.mu.Lock()
	o.add(1)
	o.mu.Unlock()
	if _, err := kadm.NewClient(s.kafka.Load()).UpdatePartitions(ctx, int(n)+1, apptest.EventTopic); err != nil {
		o.fail("adding a partition: %v", err)
		return nil
	}
	f.hit(asked)
	s.stopping.Go(func() {
		time.Sleep(time.Second)
		s.kafka.Load().ForceMetadataRefresh()
		time.Sleep(time.Second)
		b := burst{partition: n}
		for i := range 1 + int(f.a%5) {
			b.events = append(b.events, spec{nature: fine, orderKey: i / 2, lot: i / 2 % 5})
		}
		s.produce(b)
	})
	return nil
}
