package main

import (
	"fmt"
	"math"
	"os"
	"time"
)

type outageCommand struct {
	backend
	Partitions int           `default:"6" help:"Partitions of the topic."`
	Open       int           `default:"64" help:"Requests in flight."`
	Delay      time.Duration `default:"20ms" help:"Delay of the API."`
	Before     time.Duration `default:"5s" help:"How long the forwarder runs before the outage."`
	Outage     time.Duration `default:"15s" help:"How long the API is down (502)."`
	Rounds     int           `default:"3" help:"Rounds, each with a new group."`
	Write      bool          `help:"Write the table and the plot into docs/development/benchmarks.md."`
}

// after is for how long the end of an outage is watched.
const after = 5 * time.Second

// outages are what came of outages, round by round.
type outages struct {
	full, share spread // records/s before; the share of it in the time after
	back        spread // ms from the end to full speed
	tenths      []int64
	began, end  time.Duration // of the last round, on the clock of its tenths
}

// Run lets the API fail under a backlog that lasts for longer, and prints how fast
// it is worked off once the API answers again.
func (c outageCommand) Run() error {
	return shared{backend: c.backend, Partitions: int32(c.Partitions), Open: c.Open, Size: small}.with(func(l *lab) error {
		// As much as could be sent if there were no outage, and some more.
		n := int(float64(c.Open) / max(c.Delay, time.Millisecond).Seconds() * (c.Before + after + 5*time.Second).Seconds())
		topic, err := l.fill(n)
		if err != nil {
			return err
		}
		var o outages
		for round := range c.Rounds {
			if err := o.add(l, c, topic, fmt.Sprintf("%s-%d", topic, round), int64(n)); err != nil {
				return err
			}
		}
		text := o.table(c)
		fmt.Println(text)
		if !c.Write {
			return nil
		}
		return l.writeOutage(o, text, c.Rounds)
	})
}

func (o *outages) add(l *lab, c outageCommand, topic, group string, n int64) error {
	api, err := l.start(os.Args[0], []string{"api", "--delay=" + c.Delay.String()})
	if err != nil {
		return err
	}
	defer api.end()
	r, err := l.startReplica(topic, group, api.address, c.Open)
	if err != nil {
		return err
	}
	defer r.stop()
	if _, err := awaitCount(api.address, 1); err != nil {
		return err
	}
	time.Sleep(c.Before)
	if err := turn(api.address, "down"); err != nil {
		return err
	}
	before, err := accountOf(api.address)
	if err != nil {
		return err
	}
	time.Sleep(c.Outage)
	if err := turn(api.address, "up"); err != nil {
		return err
	}
	begin, err := accountOf(api.address)
	if err != nil {
		return err
	}
	time.Sleep(after)
	end, err := accountOf(api.address)
	if err != nil {
		return err
	}
	if end.Count >= n {
		return fmt.Errorf("the backlog of %d did not last", n)
	}
	o.note(before, begin, end)
	return nil
}

// note takes the accounts of the outage's beginning, its end, and some time later.
func (o *outages) note(before, begin, end account) {
	full := 10 * fullRate(before.Tenths)
	rate := float64(end.Count-begin.Count) / time.Duration(end.Now-begin.Now).Seconds()
	o.full, o.share = append(o.full, full), append(o.share, rate/full)
	back := math.NaN()
	if i := reaches(end.Tenths, len(begin.Tenths), full/10); i >= 0 {
		back = float64((time.Duration(i-len(begin.Tenths)) * tenth).Milliseconds())
	}
	o.back = append(o.back, back)
	o.tenths = end.Tenths
	o.began, o.end = time.Duration(before.Now-before.Begun), time.Duration(begin.Now-begin.Begun)
}

func (o *outages) table(c outageCommand) string {
	return fmt.Sprintf("| outage | API | records/s before | in the first %s after, of that | ms to full speed |\n| --- | --- | --- | --- | --- |\n| %s | %s | %s | %s | %s |\n",
		after, c.Outage, ms(c.Delay), o.full.format("%.0f"), o.share.times(100).format("%.0f %%"), o.back.format("%.0f"))
}
