package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/segmentio/kafka-go"
)

// plainCommand is the consumer that most would write first: one message at a
// time, mapped with encoding/json, posted, committed.
type plainCommand struct {
	URL, Brokers, Topic, Group string
	N                          int
}

func (c plainCommand) Run() error {
	ctx := context.Background()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{c.Brokers}, Topic: c.Topic, GroupID: c.Group, StartOffset: kafka.FirstOffset})
	defer r.Close()
	client := &http.Client{}
	t := newTally()
	for range c.N {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			return err
		}
		form, err := plainForm(m.Value)
		if err != nil {
			return err
		}
		if err := post(client, c.URL, form); err != nil {
			return err
		}
		if err := r.CommitMessages(ctx, m); err != nil {
			return err
		}
		t.sent()
	}
	return t.tell(c.N) // one request for each
}

// plainForm maps an event of the bench, and no more than it needs.
func plainForm(value []byte) (string, error) {
	var event map[string]any
	if err := json.Unmarshal(value, &event); err != nil {
		return "", err
	}
	params := map[string]string{}
	for name, value := range event {
		switch name {
		case "more":
		case "car_type":
			params[name] = map[string]string{"temporary": "1", "monthly": "2", "vip": "3"}[fmt.Sprint(value)]
		default:
			params[name] = fmt.Sprint(value)
		}
	}
	return signed(params), nil
}
