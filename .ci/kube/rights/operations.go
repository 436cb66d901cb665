package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// tryOperations does what a person's role is for, by a client that is not the
// forwarder's: read what it may read, write what it may write; and it must be
// refused what it has no right to.
func (b *broker) tryOperations(ctx context.Context, user string, gone *right) (said string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	replayer := strings.HasSuffix(user, "replayer")
	trials := []struct {
		right  right
		try    func(context.Context, string, string) error
		wanted bool
	}{
		{right{"topic", events, "Read"}, b.read, true},
		{right{"topic", events, "Describe"}, b.describe, true},
		{right{"topic", events, "DescribeConfigs"}, b.configs, true},
		{right{"topic", letters, "Read"}, b.read, true},
		{right{"topic", letters, "Describe"}, b.describe, true},
		{right{"topic", letters, "DescribeConfigs"}, b.configs, true},
		{right{"topic", ledger, "Read"}, b.read, true},
		{right{"topic", ledger, "Describe"}, b.describe, true},
		{right{"group", group, "Describe"}, b.progress, true},
		{right{"topic", events, "Write"}, b.write, replayer},
		{right{"topic", ledger, "Write"}, b.write, replayer},
		{right{"topic", letters, "Write"}, b.write, false},
		{right{"group", group, "Read"}, b.commit, false},
	}
	var refused, wrong []string
	for _, t := range trials {
		err := t.try(ctx, user, t.right.name)
		missing := gone != nil && *gone == t.right
		switch {
		case missing && err == nil:
			return t.right.String() + ": possible without the right", false
		case missing:
			refused = append(refused, fmt.Sprintf("%s: %v", t.right, err))
		case gone != nil && gone.name == t.right.name:
			// Describe takes others with it
		case t.wanted && err != nil:
			wrong = append(wrong, fmt.Sprintf("%s is refused: %v", t.right, err))
		case !t.wanted && err == nil:
			wrong = append(wrong, t.right.String()+" is possible")
		}
	}
	switch {
	case len(wrong) > 0:
		return strings.Join(wrong, "; "), false
	case gone == nil:
		return fmt.Sprintf("%d operations as they should be", len(trials)), true
	}
	return strings.Join(refused, "; "), len(refused) > 0
}

func (b *broker) read(ctx context.Context, user, topic string) error {
	c, err := b.as(user, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer c.Close()
	if end, err := b.end(ctx, topic); err == nil && end == 0 {
		if err := b.client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v")}).FirstErr(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	fetches := c.PollRecords(ctx, 1)
	if fetches.NumRecords() > 0 {
		return nil
	}
	return errors.Join(fetches.Err(), ctx.Err())
}

func (b *broker) write(ctx context.Context, user, topic string) error {
	c, err := b.as(user)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("{}")}).FirstErr()
}

// with runs an administrator's request under the user's rights.
func (b *broker) with(user string, do func(*kadm.Client) error) error {
	c, err := b.as(user)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(kadm.NewClient(c))
}

func (b *broker) describe(ctx context.Context, user, topic string) error {
	return b.with(user, func(a *kadm.Client) error {
		topics, err := a.ListTopics(ctx, topic)
		return errors.Join(err, topics.Error())
	})
}

func (b *broker) configs(ctx context.Context, user, topic string) error {
	return b.with(user, func(a *kadm.Client) error {
		configs, err := a.DescribeTopicConfigs(ctx, topic)
		for _, c := range configs {
			err = errors.Join(err, c.Err)
		}
		return err
	})
}

func (b *broker) progress(ctx context.Context, user, group string) error {
	return b.with(user, func(a *kadm.Client) error {
		offsets, err := a.FetchOffsets(ctx, group)
		return errors.Join(err, offsets.Error())
	})
}

func (b *broker) commit(ctx context.Context, user, group string) error {
	return b.with(user, func(a *kadm.Client) error {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: events, Partition: 0, At: 0, LeaderEpoch: -1})
		return a.CommitAllOffsets(ctx, group, offsets)
	})
}
