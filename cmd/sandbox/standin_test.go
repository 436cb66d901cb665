package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The test binary itself stands in for a forwarder that is not to be trusted:
// the sandbox runs it by --forwarder and hands it its part by --set.
const part = "STANDIN"

// arguments are those of the part "the sandbox": main itself, one a line.
const arguments = "STANDIN_ARGUMENTS"

func TestMain(m *testing.M) {
	switch os.Getenv(part) {
	case "":
		os.Exit(m.Run())
	case "dies":
		fmt.Println("first line")
		fmt.Println("cannot go on")
		os.Exit(3)
	case "the sandbox":
		os.Args = append([]string{"sandbox"}, strings.Split(os.Getenv(arguments), "\n")...)
		main()
	case "loses":
		lose()
	case "is deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("process", os.Getpid())
		serveMetrics("release_forwarder_held_records 7")
	case "fails at the end":
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		<-asked
		fmt.Println("cannot stop in peace")
		os.Exit(4)
	}
}

// serveMetrics serves one metric, for ever.
func serveMetrics(metric string) {
	panic(http.ListenAndServe(os.Getenv("ADMIN_ADDR"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, metric)
	})))
}

// lose commits everything, sends nothing, and claims on its metrics that it has
// accepted all.
func lose() {
	stop, done := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer done()
	go serveMetrics("release_forwarder_records_accepted_total 1000000")
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA_BROKERS"), ",")...),
		kgo.ConsumerGroup(os.Getenv("KAFKA_GROUP_ID")), kgo.ConsumeTopics(os.Getenv("KAFKA_TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
	)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	for stop.Err() == nil {
		client.PollFetches(stop)
		_ = client.CommitUncommittedOffsets(context.Background()) // the next one makes good
	}
}
