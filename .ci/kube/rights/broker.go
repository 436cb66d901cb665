package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	events      = "abnormal-release"
	replays     = "abnormal-release.replay"
	deadLetters = "abnormal-release.dlq"
	ledger      = "abnormal-release.dlq.ledger"
	receipts    = "abnormal-release.receipts"
	group       = "release-forwarder"
	password    = "password-of-all"
)

// broker is the one broker, seen by its super user.
type broker struct {
	sasl   string // its address for users
	client *kgo.Client
	admin  *kadm.Client
	sent   int    // events produced so far
	key    string // file with the key of the receipts
}

func newBroker(ctx context.Context, admin, sasl string) (*broker, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(admin))
	if err != nil {
		return nil, err
	}
	b := &broker{sasl: sasl, client: client, admin: kadm.NewClient(client)}
	if b.key, err = keyFile(); err != nil {
		return nil, err
	}
	compacted := "compact"
	if r, err := b.admin.CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": &compacted}, ledger); err != nil || r.Err != nil {
		return nil, errors.Join(err, r.Err)
	}
	for _, topic := range []string{events, replays, deadLetters, receipts} {
		if r, err := b.admin.CreateTopic(ctx, 1, 1, nil, topic); err != nil || r.Err != nil {
			return nil, errors.Join(err, r.Err)
		}
	}
	// A ledger is only read where it has something: an entry of another version.
	if err := b.client.ProduceSync(ctx, &kgo.Record{Topic: ledger, Key: []byte("0/"), Value: []byte("{}")}).FirstErr(); err != nil {
		return nil, err
	}
	return b, nil
}

// keyFile makes the file with the key of the receipts.
func keyFile() (string, error) {
	f, err := os.CreateTemp("", "receipts-key-")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(rand.Text() + rand.Text() + "\n")
	return f.Name(), errors.Join(err, f.Close())
}

func (b *broker) close() {
	b.client.Close()
	_ = os.Remove(b.key)
}

func (b *broker) makeUser(ctx context.Context, name string) error {
	_, err := b.admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: name, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}})
	return err
}

var operations = map[string]kadm.ACLOperation{
	"Read": kadm.OpRead, "Write": kadm.OpWrite, "Describe": kadm.OpDescribe, "DescribeConfigs": kadm.OpDescribeConfigs,
	"AlterConfigs": kadm.OpAlterConfigs, "Alter": kadm.OpAlter, "Create": kadm.OpCreate, "Delete": kadm.OpDelete,
}

// grant gives the user these rights and no others.
func (b *broker) grant(ctx context.Context, user string, rights []right) error {
	principal := "User:" + user
	all := kadm.NewACLs().AnyResource().Allow(principal).AllowHosts().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny)
	if _, err := b.admin.DeleteACLs(ctx, all); err != nil {
		return fmt.Errorf("taking the rights of %s: %w", user, err)
	}
	for _, r := range rights {
		operation, known := operations[r.operation]
		if !known {
			return fmt.Errorf("no operation %s", r.operation)
		}
		acl := kadm.NewACLs().Allow(principal).AllowHosts("*").Operations(operation).ResourcePatternType(kadm.ACLPatternLiteral)
		if r.kind == "group" {
			acl.Groups(r.name)
		} else {
			acl.Topics(r.name)
		}
		results, err := b.admin.CreateACLs(ctx, acl)
		if err != nil {
			return err
		}
		for _, result := range results {
			if result.Err != nil {
				return fmt.Errorf("granting %s: %w", r, result.Err)
			}
		}
	}
	return b.inForce(ctx, principal, len(rights))
}

// inForce waits until the broker knows as many rights as were given: they come
// to it by its own log.
func (b *broker) inForce(ctx context.Context, principal string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		known := 0
		all, err := b.admin.DescribeACLs(ctx, kadm.NewACLs().AnyResource().Allow(principal).AllowHosts().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny))
		for _, r := range all {
			known += len(r.Described)
		}
		if known == n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d rights are in force: %w", known, n, errors.Join(err, ctx.Err()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// as is a client with a user's rights.
func (b *broker) as(user string, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(b.sasl), kgo.RetryTimeout(2*time.Second), kgo.RecordDeliveryTimeout(3*time.Second),
		kgo.DisableIdempotentWrite(), // asks for no right on the cluster, as the forwarder
		kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))...)
}
