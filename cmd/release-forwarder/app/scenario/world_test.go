package scenario

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/testkit/platform"
)

// world is apptest's, with what the tests here need.
type world struct{ *apptest.World }

// inVirtualTime runs a test in a bubble of virtual time.
func inVirtualTime(t *testing.T, partitions int32, test func(w *world)) {
	t.Helper()
	apptest.InVirtualTime(t, partitions, func(w *apptest.World) { test(&world{w}) })
}

// inVirtualTimeWith runs one whose platform remembers as much as it is configured to, on brokers with more options.
func inVirtualTimeWith(t *testing.T, partitions int32, remembers platform.Config, test func(w *world), more ...kfake.Opt) {
	t.Helper()
	apptest.InVirtualTimeWith(t, partitions, remembers, func(w *apptest.World) { test(&world{w}) }, more...)
}

// offsets runs the command and gives what it prints.
func (w *world) offsets(c cli.OffsetsCommand) (string, error) {
	w.T.Helper()
	c.Timeout = 20 * time.Second
	out, _, err := w.Command(&c)
	return out, err
}

// examined runs doctor.
func (w *world) examined(ctx context.Context, c cli.DoctorCommand, dial connect.DialFunc) (report, progress string, err error) {
	w.T.Helper()
	c.Timeout = time.Minute
	return w.CommandOn(ctx, dial, &c)
}

// find runs the command over the last day.
func (w *world) find(c find.Command) (out, said string, err error) {
	w.T.Helper()
	c.Since, c.Limit = "24h", 1000
	return w.Command(&c)
}

// outcomes are what became of each event that find finds, by its place.
func (w *world) outcomes(c find.Command) map[string]string {
	w.T.Helper()
	c.JSON = true
	out, said, err := w.find(c)
	if err != nil {
		w.T.Fatalf("%v\n%s", err, said)
	}
	return w.FoundOutcomes(out)
}

// listed and counted are dlq list and dlq stats with their defaults.
var (
	listed  = func() (c deadletters.ListCommand) { c.RetentionShare = 0.8; return c }()
	counted = func() (c deadletters.StatsCommand) { c.RetentionShare = 0.8; return c }()
)

// asked counts the requests of one type, of all replicas.
func (w *world) asked(key kmsg.Key) *atomic.Int64 { return w.askedWithBrake(key, 500) }

// askedWithBrake is asked that lets each request beyond brake take a moment: a replica that spins would keep virtual
// time from passing.
func (w *world) askedWithBrake(key kmsg.Key, brake int64) *atomic.Int64 {
	var n atomic.Int64
	w.Cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		if n.Add(1) > brake {
			time.Sleep(10 * time.Millisecond)
		}
		return nil, nil, false
	})
	return &n
}
