package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"release-forwarder/consumer/membership"
)

// usualRhythm is the mean time between two faults.
const usualRhythm = 5 * time.Second

// options are what the command line says.
type options struct {
	length, every time.Duration
	seed          uint64
	rate          int // events a second
	protocol      string
	receipts      string // one of receiptsRequired, receiptsOptional, receiptsNone
	report        string
	script        string
}

func main() {
	var o options
	flag.DurationVar(&o.length, "for", 2*time.Minute, "how long faults are injected; two minutes or more must hold at least 5 kills, 2 pauses and 2 cuts")
	flag.DurationVar(&o.every, "every", usualRhythm, "mean time between two faults; those of brokers wait for one another, so that a short one makes the run longer")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64N(1_000_000), "draws the faults; the default is drawn itself")
	flag.IntVar(&o.rate, "rate", 120, "events a second")
	flag.StringVar(&o.protocol, "protocol", string(membership.ProtocolClassic), "the forwarders' KAFKA_GROUP_PROTOCOL: classic or consumer")
	flag.StringVar(&o.receipts, "receipts", "", "receipts: required, optional (RECEIPTS_REQUIRED) or none; default: an odd seed requires them, an even one does not")
	flag.StringVar(&o.report, "report", "", "file to append the report to")
	flag.StringVar(&o.script, "kafka", ".ci/kafka/kafka.sh", "the script that runs the brokers")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	o.receipts = cmp.Or(o.receipts, receiptsOf(o.seed))
	if err := o.judge(); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := chaos(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

const usage = `chaos kills, freezes and cuts off three real Kafka brokers and three forwarders under
load, and accounts for every event from Kafka's and the platform's records. It exits 1 on
any loss, disorder or repeat that docs/explanation/guarantees.md does not allow. Run it in the
repository's root; it needs Go, Java 17, openssl and, the first time, Maven:

  go run ./cmd/release-forwarder/chaos -for 2m

`

// judge tells what is wrong with the options.
func (o *options) judge() error {
	var wrong []string
	if o.length <= 0 || o.every <= 0 || o.rate <= 0 {
		wrong = append(wrong, "-for, -every and -rate must be above 0")
	}
	if !slices.Contains(membership.Protocol("").Choices(), o.protocol) {
		wrong = append(wrong, "-protocol is classic or consumer")
	}
	if !slices.Contains([]string{receiptsRequired, receiptsOptional, receiptsNone}, o.receipts) {
		wrong = append(wrong, "-receipts is required, optional or none")
	}
	if flag.NArg() > 0 {
		wrong = append(wrong, fmt.Sprintf("%q is no flag; see -help", flag.Arg(0)))
	}
	if _, err := os.Stat(o.script); err != nil {
		wrong = append(wrong, "there is no "+o.script+"; run this in the repository's root")
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

func chaos(ctx context.Context, o options) (err error) {
	out := io.Writer(os.Stdout)
	if o.report != "" {
		f, err := os.OpenFile(o.report, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(os.Stdout, f)
	}
	dir, err := os.MkdirTemp("", "chaos-*")
	if err != nil {
		return err
	}
	s := &stage{dir: dir, net: newNetwork(), ledger: &ledger{flows: map[string]*visits{}}}
	defer func() {
		s.close()
		if ctx.Err() != nil {
			err = errors.New("interrupted; all is ended and nothing was judged")
		}
		if err != nil && ctx.Err() == nil && len(s.forwarders) > 0 {
			fmt.Fprintln(os.Stderr, "chaos: the forwarders' logs are kept in", dir)
			return
		}
		_ = os.RemoveAll(dir) // nothing in it is needed
	}()
	if err := s.build(ctx, o); err != nil {
		return err
	}
	return s.play(ctx, &run{options: o}, out)
}
