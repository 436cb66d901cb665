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

// try does what the right is for, by a client that is not the forwarder's.
func (b *broker) try(ctx context.Context, user string, r right) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	operations := map[string]func(context.Context, string, string) error{
		"topic Read": b.read, "topic Write": b.write, "topic Describe": b.describe, "group Read": b.commit, "group Describe": b.progress,
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

// firstLine is the beginning of a text for a table.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
