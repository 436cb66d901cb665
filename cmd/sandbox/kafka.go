package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/sandbox/screen"
)

// The names of the sandbox's topics and group.
const (
	eventTopic = "abnormal-releases"
	group      = "sandbox"
	// deadLetters ends the name of a topic's dead-letter topic; it is the
	// forwarder's default.
	deadLetters = ".dlq"
	// receipts ends the name of the topic of the receipts.
	receipts = ".receipts"
)

// startKafka starts an embedded Kafka of one broker, which keeps everything in
// memory and listens on 127.0.0.1. Port 0 is any free one.
func startKafka(port, partitions int, topics ...string) (*kfake.Cluster, error) {
	options := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("sandbox"),
	}
	if port != 0 {
		options = append(options, kfake.Ports(port))
	}
	for _, topic := range topics {
		options = append(options, kfake.SeedTopics(int32(partitions), topic))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, fmt.Errorf("embedded Kafka: %w", err)
	}
	return cluster, nil
}

// kafkaCommand is "sandbox kafka".
type kafkaCommand struct {
	Port       int      `default:"0" help:"Port on 127.0.0.1; 0: any free one."`
	Topic      []string `default:"abnormal-releases" help:"Topics to make, each with its dead-letter topic (NAME.dlq). May be repeated."`
	Partitions int      `default:"6" help:"Partitions of each topic."`
}

// Help is shown by --help.
func (kafkaCommand) Help() string {
	return `It keeps everything in memory and ends with Ctrl-C. It prints the settings that a forwarder needs to use it.

Example: "sandbox kafka --port 9092 --topic events --partitions 12".`
}

// Validate is called by the command line's parser.
func (c kafkaCommand) Validate() error {
	if c.Partitions < 1 || c.Partitions > 10_000 {
		return errors.New("--partitions must be 1 to 10000")
	}
	if c.Port < 0 || c.Port > 65_535 {
		return errors.New("--port must be 0 to 65535")
	}
	return nil
}

// Run is "sandbox kafka".
func (c kafkaCommand) Run(ctx context.Context, out *screen.Screen) error {
	var topics []string
	for _, topic := range c.Topic {
		topics = append(topics, topic, topic+deadLetters)
	}
	cluster, err := startKafka(c.Port, c.Partitions, topics...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	out.Say("KAFKA_BROKERS=" + strings.Join(cluster.ListenAddrs(), ","))
	for _, topic := range c.Topic {
		out.Say("KAFKA_TOPIC=" + topic)
	}
	out.Say("# An embedded Kafka, " + strconv.Itoa(c.Partitions) + " partitions a topic, in memory; Ctrl-C ends it.")
	<-ctx.Done()
	return nil
}
