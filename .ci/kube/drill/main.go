// Command drill provokes what an operator may be woken by, on the production overlay's pods, on a real node with a real Kafka and a real
// Prometheus. It finds out which alert comes and when, and what the status page says. Then it types what the alert's
// runbook says, from the page itself, until the page says that all is well and no dead letter is open. In the end
// Kafka's records and the platform's double account for every event.
//
// It is started by ../drill.sh, which brings node, images, Kafka and the stand-in for the operators.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"
)

// config is what drill.sh brings.
type config struct {
	root     string // of the repository
	cluster  string // script: cluster.sh, of the cluster that the node is in
	kafka    string // script: kafka.sh, of the brokers
	admin    string // Kafka for a super user
	pods     string // Kafka as pods reach it
	ca       string // file: the authority of Kafka's certificates
	address  string // of this machine, as pods see it
	binary   string // the forwarder, for this machine
	operator string // program: the stand-in for the operators
	commit   string // what the images are made of
}

func main() {
	var c config
	flags := flag.NewFlagSet("drill", flag.ExitOnError) // packages of the tests have flags of their own
	for name, to := range map[string]*string{
		"root": &c.root, "cluster": &c.cluster, "kafka": &c.kafka, "admin": &c.admin, "pods": &c.pods, "ca": &c.ca, "address": &c.address,
		"binary": &c.binary, "operators": &c.operator, "commit": &c.commit,
	} {
		flags.StringVar(to, name, "", "what drill.sh brings")
	}
	only := flags.String("only", ".", "the troubles whose names fit this expression")
	few := flags.Bool("few", false, "only those of CI")
	update := flags.Bool("update", false, "rewrite the table and the list of commands in docs/development")
	steps := flags.Bool("steps", false, "print page and heading of each step, and do no more")
	_ = flags.Parse(os.Args[1:])
	if *steps {
		for _, t := range slices.Concat(troubles, rounds) {
			for _, s := range t.cure {
				if s.others == nil {
					fmt.Printf("%s\t%s\n", s.page, s.heading)
				}
			}
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, c, regexp.MustCompile(*only), *few, *update)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config, only *regexp.Regexp, few, update bool) error {
	chosen := slices.DeleteFunc(slices.Concat(troubles, rounds), func(t trouble) bool { return !only.MatchString(t.name) || few && !t.few })
	begun := time.Now()
	w, err := newWorld(ctx, c)
	if err != nil {
		return err
	}
	defer w.close()
	w.person.values = w.values()
	for _, t := range chosen {
		for _, s := range t.cure {
			if s.others == nil {
				if _, err := w.person.read(s.page, s.heading); err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
			}
		}
	}
	fmt.Printf("drill: all is there after %.0fs\n", time.Since(begun).Seconds())
	var rows []found
	var failed []string
	for _, t := range chosen {
		row, err := w.provoked(ctx, t)
		if err != nil {
			fmt.Printf("drill: FAILED %s: %v\n", t.name, err)
			w.explain(ctx)
			failed = append(failed, t.name)
			if err := w.reset(ctx); err != nil {
				return fmt.Errorf("%s, and what it left cannot be put right: %w", strings.Join(failed, ", "), err)
			}
			continue
		}
		rows = append(rows, row)
		fmt.Print(row)
	}
	account, err := w.settle(ctx)
	fmt.Println("drill:", account)
	if err == nil && update { // what has failed is not in it
		err = write(c, rows, failed, w.person.typed, account)
	}
	if len(failed) > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d troubles failed: %s", len(failed), len(chosen), strings.Join(failed, ", ")))
	}
	return err
}
