package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type latencyCommand struct {
	backend
	Partitions int           `default:"6" help:"Partitions of the topic."`
	Open       int           `default:"64" help:"Requests in flight."`
	N          int           `default:"80000" help:"Records of a run that measures the capacity."`
	Rates      []float64     `default:"200" help:"Events a second."`
	Shares     []float64     `default:"0.1,0.5,0.9" help:"More rates, as shares of the capacity."`
	Delay      time.Duration `help:"Latency of the API."`
	For        time.Duration `default:"8s" help:"How long events are timed at each rate."`
	Warm       time.Duration `default:"2s" help:"How long they come before that."`
	Rounds     int           `default:"3" help:"Rounds, the forwarder in turn with the others."`
	Receipts   bool          `help:"The forwarder with receipts as well, in the same rounds."`
	Write      bool          `help:"Write the table and the plot into docs/development/benchmarks.md."`
}

// load is a rate, and what came of it round by round.
type load struct {
	name              string
	rate              float64
	bare, hasty, ours waits
	// hastyLog and oursLog begin when the event is in Kafka's log.
	hastyLog, oursLog waits
	produced          waits  // until then, of the forwarder's rounds
	receipts          waits  // the forwarder's with receipts
	behind            spread // events not yet accepted when the last was produced
}

// waits are percentiles in milliseconds, round by round.
type waits struct{ p50, p99, p999 spread }

// add adds a round: the time between two moments of each event, in unix nanoseconds.
func (w *waits) add(arrivals []arrival, from, to func(arrival) int64) {
	var all spread
	for _, a := range arrivals {
		all = append(all, float64(to(a)-from(a))/1e6)
	}
	w.p50, w.p99, w.p999 = append(w.p50, all.at(0.5)), append(w.p99, all.at(0.99)), append(w.p999, all.at(0.999))
}

// add adds a round.
func (l *load) add(bare account, hasty, ours paced) {
	due, at := func(a arrival) int64 { return a.Due }, func(a arrival) int64 { return a.At }
	l.bare.add(bare.Arrivals, due, at)
	l.hasty.add(hasty.Arrivals, due, at)
	l.hastyLog.add(hasty.Arrivals, hasty.inLog, at)
	l.ours.add(ours.Arrivals, due, at)
	l.oursLog.add(ours.Arrivals, ours.inLog, at)
	l.produced.add(ours.Arrivals, due, ours.inLog)
	l.behind = append(l.behind, float64(ours.behind))
}

func (w waits) String() string {
	return w.p50.format("%.2f") + " | " + w.p99.format("%.2f") + " | " + w.p999.format("%.2f")
}

// Run measures the capacity, then what a steady rate of events meets:
// the time from when an event was due at the producer, or at the bare loop, to its
// arrival at the API.
func (c latencyCommand) Run() error {
	return shared{backend: c.backend}.with(func(l *lab) error {
		full, err := l.compare(cell{c.Delay, c.Partitions, small, c.Open}, only(nameShipped), c.N, c.Rounds)
		if err != nil {
			return err
		}
		capacity, err := c.capacity(l, full[0].rate.median())
		if err != nil {
			return err
		}
		var loads []*load
		for _, rate := range c.Rates {
			loads = append(loads, &load{name: fmt.Sprintf("%.0f/s", rate), rate: rate})
		}
		for _, share := range c.Shares {
			loads = append(loads, &load{name: fmt.Sprintf("%.0f %% of the capacity", 100*share), rate: share * capacity})
		}
		for range c.Rounds {
			for _, load := range loads {
				if err := c.round(l, load); err != nil {
					return fmt.Errorf("%s: %w", load.name, err)
				}
			}
		}
		text := latencyTable(capacity, loads)
		fmt.Println(text)
		for _, load := range loads {
			if c.Receipts {
				fmt.Printf("%s, with receipts p50 | p99 | p99.9: %s; added to the forwarder without p50 | p99: %s\n", load.name, load.receipts, added(load.receipts, load.ours))
			}
		}
		if !c.Write {
			return nil
		}
		return l.writeLatency(loads, c.Delay, text, c.Rounds)
	})
}

func only(name string) (one []contender) {
	for _, c := range contenders() {
		if c.name == name {
			one = append(one, c)
		}
	}
	return one
}

func (c latencyCommand) round(l *lab, load *load) error {
	bare, err := c.paceBare(l, load.rate)
	if err != nil {
		return err
	}
	hasty, err := c.paceFrom(l, load.rate, c.startHasty)
	if err != nil {
		return err
	}
	ours, err := c.paceFrom(l, load.rate, c.startForwarder)
	if err != nil {
		return err
	}
	load.add(bare, hasty, ours)
	if !c.Receipts {
		return nil
	}
	with, err := c.paceFrom(l, load.rate, c.startWithReceipts)
	if err != nil {
		return err
	}
	load.receipts.add(with.Arrivals, func(a arrival) int64 { return a.Due }, func(a arrival) int64 { return a.At })
	return nil
}

// capacity is what is accepted each second while a producer makes as much as is
// worked off from a backlog: the producer, whose events come one by one, takes its
// part of the machine.
func (c latencyCommand) capacity(l *lab, backlog float64) (float64, error) {
	p, err := c.paceFrom(l, backlog, c.startForwarder)
	return float64(c.events(backlog)-p.behind) / p.took.Seconds(), err
}

// paced is what came of events at a rate.
type paced struct {
	account
	behind int             // not yet accepted when the last was produced
	took   time.Duration   // to produce them
	log    map[int64]int64 // when an event was appended to Kafka's log, by when it was due; in unix nanoseconds
}

func (p paced) inLog(a arrival) int64 { return p.log[a.Due] }

func (c latencyCommand) events(rate float64) int { return int(rate * (c.Warm + c.For).Seconds()) }

// paceBare lets the bare loop keep a rate.
func (c latencyCommand) paceBare(l *lab, rate float64) (a account, err error) {
	api, err := c.startAPI(l)
	if err != nil {
		return a, err
	}
	defer api.end()
	s, err := startLoop("bare", "--url=http://"+api.address+"/", fmt.Sprintf("--n=%d", c.events(rate)), fmt.Sprintf("--open=%d", c.Open),
		fmt.Sprintf("--rate=%f", rate), "--warm="+c.Warm.String())
	if err != nil {
		return a, err
	}
	defer func() { _, _ = s.end() }()
	if err := json.NewDecoder(s.out).Decode(new(told)); err != nil {
		return a, err
	}
	return accountOf(api.address)
}

func (c latencyCommand) startAPI(l *lab) (*process, error) {
	return l.start(os.Args[0], []string{"api", "--delay=" + c.Delay.String()})
}

// startForwarder starts one and waits until it has joined.
func (c latencyCommand) startForwarder(l *lab, topic, api string) (stop func(), err error) {
	return c.startReplica(l, topic, api)
}

func (c latencyCommand) startWithReceipts(l *lab, topic, api string) (stop func(), err error) {
	receipts, key, err := l.receipts(topic)
	if err != nil {
		return nil, err
	}
	return c.startReplica(l, topic, api, "RECEIPTS_TOPIC="+receipts, "RECEIPTS_KEY_FILE="+key)
}

func (c latencyCommand) startReplica(l *lab, topic, api string, env ...string) (stop func(), err error) {
	r, err := l.startReplica(topic, topic, api, c.Open, env...)
	if err != nil {
		return nil, err
	}
	stop = func() { r.stop() }
	if _, err := r.awaitJoined(); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (c latencyCommand) startHasty(l *lab, topic, api string) (stop func(), err error) {
	p, err := l.start(os.Args[0], []string{"hasty", "--url=http://" + api + "/", "--brokers=" + l.Brokers, "--topic=" + topic, fmt.Sprintf("--open=%d", c.Open)})
	if err != nil {
		return nil, err
	}
	return p.end, nil
}

// paceFrom produces events at a rate while what start starts works on their topic.
func (c latencyCommand) paceFrom(l *lab, rate float64, start func(l *lab, topic, api string) (stop func(), err error)) (p paced, err error) {
	l.Partitions, l.Size = int32(c.Partitions), small
	topic, err := l.fill(0)
	if err != nil {
		return p, err
	}
	defer l.drop(topic)
	if err := l.stampInLog(topic); err != nil {
		return p, err
	}
	api, err := c.startAPI(l)
	if err != nil {
		return p, err
	}
	defer api.end()
	stop, err := start(l, topic, api.address)
	if err != nil {
		return p, err
	}
	defer stop()
	n, begun := c.events(rate), time.Now()
	if err := l.pace(topic, n, rate, c.Warm); err != nil {
		return p, err
	}
	p.took = time.Since(begun)
	count, _, _, _, err := ask(api.address)
	if err != nil {
		return p, err
	}
	p.behind = n - int(count)
	if _, err := awaitCount(api.address, int64(n)); err != nil {
		return p, err
	}
	if p.account, err = accountOf(api.address); err != nil {
		return p, err
	}
	p.log, err = l.stamps(topic, n)
	return p, err
}

// stampInLog has the broker stamp records when it appends them to the log.
func (l *lab) stampInLog(topic string) error {
	to := "LogAppendTime"
	answers, err := kadm.NewClient(l.client).AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Name: "message.timestamp.type", Value: &to}}, topic)
	if err != nil {
		return err
	}
	_, err = answers.On(topic, func(r *kadm.AlterConfigsResponse) error { return r.Err })
	return err
}

// stamps reads a topic of n events, and tells when the broker appended those that
// carry when they were due, by that: both in unix nanoseconds. A stamp is a whole
// millisecond, and up to one too early.
func (l *lab) stamps(topic string, n int) (map[int64]int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(l.Brokers), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	stamps := map[int64]int64{}
	for read := 0; read < n; {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			_, flow, _ := bytes.Cut(r.Value, eventFlow)
			if due := dueOf(flow); due > 0 {
				stamps[due] = r.Timestamp.UnixNano()
			}
		})
	}
	return stamps, nil
}

var eventFlow = []byte(`"flow_no":"`)

// pace produces n events at a rate. No event waits for others to share its batch.
func (l *lab) pace(topic string, n int, rate float64, warm time.Duration) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(l.Brokers), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer client.Close()
	failed := make(chan error, 1)
	p := paceOf{time.Now(), rate, warm}
	for i := range n {
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Value: eventOf(p.flow(int64(i)), i, l.Size)}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default: // the first is enough
				}
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func latencyTable(capacity float64, loads []*load) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The capacity with a producer on the same machine is %.0f records/s. Times in ms, from when an event was due to its arrival.\n\n", capacity)
	b.WriteString("| load | events/s | bare loop p50 | p99 | p99.9 | hasty reader p50 | p99 | p99.9 | forwarder p50 | p99 | p99.9 | added to the bare loop p50 | p99 | to the hasty reader p50 | p99 | behind at the end |\n" +
		"|" + strings.Repeat(" --- |", 16) + "\n")
	for _, l := range loads {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %s | %s | %s | %s |\n", l.name, l.rate, l.bare, l.hasty, l.ours,
			added(l.ours, l.bare), added(l.ours, l.hasty), l.behind.format("%.0f"))
	}
	b.WriteString("\nThe same from the record's timestamp on, which the broker gave it when it appended it to its log: a whole millisecond, and up to one too early. What comes before is the producer's and Kafka's.\n\n" +
		"| load | events/s | due to timestamp p50 | p99 | p99.9 | timestamp to arrival, hasty reader p50 | p99 | p99.9 | forwarder p50 | p99 | p99.9 | added to the bare loop p50 | p99 | to the hasty reader p50 | p99 |\n" +
		"|" + strings.Repeat(" --- |", 15) + "\n")
	for _, l := range loads {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %s | %s | %s |\n", l.name, l.rate, l.produced, l.hastyLog, l.oursLog,
			added(l.oursLog, l.bare), added(l.oursLog, l.hastyLog))
	}
	return b.String()
}

// added is what one's p50 and p99 are more than another's in the same round.
func added(ours, theirs waits) string {
	return ours.p50.less(theirs.p50).format("%.2f") + " | " + ours.p99.less(theirs.p99).format("%.2f")
}
