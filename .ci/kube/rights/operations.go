package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// try does what the right is for, by a client that is not the forwarder's.
func (b *broker) try(ctx context.Context, user string, r right) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	operations := map[string]func(context.Context, string, string) error{
		"topic Read": b.read, "topic Write": b.write, "topic Describe": b.describe, "group Read": b.commit, "group Describe": b.progress,
		"topic DescribeConfigs": b.configs, "topic AlterConfigs": b.retain, "topic Alter": b.grow, "topic Create": b.create, "topic Delete": b.drop, "group Delete": b.forget,
	}
	do, known := operations[r.kind+" "+r.operation]
	if !known {
		return fmt.Errorf("no trial of %s", r)
	}
	return do(ctx, user, r.name)
}

// read reads a record. There is one in every topic when people's roles are tried.
func (b *broker) read(ctx context.Context, user, topic string) error {
	c, err := b.as(user, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	fetches := c.PollRecords(ctx, 1)
	if fetches.NumRecords() > 0 {
		return nil
	}
	return errors.Join(fetches.Err(), ctx.Err())
}

// write writes a record that changes nothing for the others.
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

func (b *broker) progress(ctx context.Context, user, group string) error {
	return b.with(user, func(a *kadm.Client) error {
		offsets, err := a.FetchOffsets(ctx, group)
		return errors.Join(err, offsets.Error())
	})
}

// commit moves the group to where it is.
func (b *broker) commit(ctx context.Context, user, group string) error {
	at, err := b.admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	return b.with(user, func(a *kadm.Client) error { return a.CommitAllOffsets(ctx, group, at.Offsets()) })
}

// configs reads a topic's settings.
func (b *broker) configs(ctx context.Context, user, topic string) error {
	return b.with(user, func(a *kadm.Client) error {
		all, err := a.DescribeTopicConfigs(ctx, topic)
		for _, r := range all {
			err = errors.Join(err, r.Err)
		}
		return err
	})
}

// retain sets a topic's retention.
func (b *broker) retain(ctx context.Context, user, topic string) error {
	return b.with(user, func(a *kadm.Client) error {
		month := "2592000000"
		responses, err := a.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &month}}, topic)
		for _, r := range responses {
			err = errors.Join(err, r.Err)
		}
		return err
	})
}

// grow asks whether a partition could be added.
func (b *broker) grow(ctx context.Context, user, topic string) error {
	return b.with(user, func(a *kadm.Client) error {
		responses, err := a.ValidateCreatePartitions(ctx, 1, topic)
		return errors.Join(err, responses.Error())
	})
}

// create asks whether a topic could be made that is there: whoever may is told that.
func (b *broker) create(ctx context.Context, user, topic string) error {
	return b.with(user, func(a *kadm.Client) error {
		responses, err := a.ValidateCreateTopics(ctx, 1, 1, nil, topic)
		if err == nil && !errors.Is(responses.Error(), kerr.TopicAlreadyExists) {
			err = responses.Error()
		}
		return err
	})
}

// drop asks for the right to delete a topic, by deleting no record of it.
func (b *broker) drop(ctx context.Context, user, topic string) error {
	return b.with(user, func(a *kadm.Client) error {
		var none kadm.Offsets
		none.AddOffset(topic, 0, 0, -1)
		responses, err := a.DeleteRecords(ctx, none)
		return errors.Join(err, responses.Error())
	})
}

// forget takes the group's offsets of the replays away.
func (b *broker) forget(ctx context.Context, user, group string) error {
	return b.with(user, func(a *kadm.Client) error {
		var one kadm.TopicsSet
		one.Add(replays, 0)
		responses, err := a.DeleteOffsets(ctx, group, one)
		return errors.Join(err, responses.Error())
	})
}

// tryAdmin does what each of the rights is for: with all of them all succeeds, without one that is refused, in Kafka's
// words. Kafka's tools themselves are tried in roles.sh.
func (b *broker) tryAdmin(ctx context.Context, user string, rights []right, gone *right) (said string, ok bool) {
	if gone != nil {
		err := b.try(ctx, user, *gone)
		return fmt.Sprintf("Kafka says: %v", err), errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed)
	}
	for _, r := range rights {
		if err := b.try(ctx, user, r); err != nil {
			return fmt.Sprintf("%s is refused: %v", r, err), false
		}
	}
	return fmt.Sprintf("%d operations succeed", len(rights)), true
}

// firstLine is the beginning of a text for a table.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
