package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"release-forwarder/cmd/testkit/process"
)

// What is taken from the service in Kafka: topics and rights.

// deadLetterTopicGone is what follows when somebody deletes its KafkaTopic: Strimzi deletes the topic.
func deadLetterTopicGone(ctx context.Context, w *world) error {
	if err := w.deadLettered(ctx); err != nil {
		return err
	}
	if _, err := w.kc(ctx, "", "delete", "kafkatopic", deadLetters); err != nil {
		return err
	}
	err := process.Until(ctx, settled, func() error {
		topics, err := w.admin.ListTopics(ctx, deadLetters)
		if topics.Has(deadLetters) {
			err = errors.New("the topic is there")
		}
		return err
	})
	if err != nil {
		return err
	}
	w.lanes.spoil(ctx)
	return nil
}

const receiptsTopic = topic + ".receipts"

// receiptsTopicGone has the overlay take the component receipts, and demand them. Then their topic is deleted.
func receiptsTopicGone(ctx context.Context, w *world) error {
	component, err := filepath.Rel(w.overlay, filepath.Join(w.root, "deployments/components/receipts"))
	if err != nil {
		return err
	}
	if _, err := w.kc(ctx, "", "create", "secret", "generic", "release-forwarder-receipts", "--from-literal=receipts-key="+rand.Text()+rand.Text()); err != nil {
		return err
	}
	err = errors.Join(
		w.setOverlay("RECEIPTS_TOPIC="+receiptsTopic, "RECEIPTS_KEY_FILE=/run/secrets/receipts/receipts-key", "RECEIPTS_REQUIRED=true"),
		w.extendOverlay("components: ["+component+"]\n"))
	if err != nil {
		return err
	}
	if err := w.apply(ctx); err != nil {
		return err
	}
	if _, err := w.kc(ctx, "", "rollout", "status", "deployment/release-forwarder", "--timeout="+startup.String()); err != nil {
		return err
	}
	if err := w.well(ctx, settled); err != nil {
		return err
	}
	w.begun = time.Now()
	_, err = w.kc(ctx, "", "delete", "kafkatopic", receiptsTopic)
	return err
}

// withoutReceipts takes the component out of the overlay.
func withoutReceipts(ctx context.Context, w *world) error {
	if err := errors.Join(w.extendOverlay(""), w.setOverlay()); err != nil {
		return err
	}
	if err := w.apply(ctx); err != nil {
		return err
	}
	if _, err := w.kc(ctx, "", "rollout", "status", "deployment/release-forwarder", "--timeout="+startup.String()); err != nil {
		return err
	}
	_, err := w.kc(ctx, "", "delete", "secret", "release-forwarder-receipts")
	return err
}

// extendOverlay leaves more lines at the overlay's end, or none.
func (w *world) extendOverlay(lines string) error {
	file := filepath.Join(w.overlay, "kustomization.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const mark = "# more\n"
	before, _, _ := strings.Cut(string(text), mark)
	if lines != "" {
		before += mark + lines
	}
	return os.WriteFile(file, []byte(before), 0o600)
}

func deadLetterRightGone(ctx context.Context, w *world) error {
	if err := w.withoutRights(ctx, deadLetters); err != nil {
		return err
	}
	w.lanes.spoil(ctx)
	return nil
}

func groupRightGone(ctx context.Context, w *world) error { return w.withoutRights(ctx, group) }

// withoutRights is what somebody does who edits the service's KafkaUser: all rights on a resource are gone.
func (w *world) withoutRights(ctx context.Context, resource string) error {
	text, err := w.kc(ctx, "", "get", "kafkauser", "release-forwarder", "-o", "json")
	if err != nil {
		return err
	}
	var user struct {
		Spec struct {
			Authorization struct {
				ACLs []struct{ Resource struct{ Type, Name string } } `json:"acls"`
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &user); err != nil {
		return err
	}
	for i, acl := range user.Spec.Authorization.ACLs {
		if acl.Resource.Name == resource {
			patch := fmt.Sprintf(`[{"op":"remove","path":"/spec/authorization/acls/%d"}]`, i)
			if _, err := w.kc(ctx, "", "patch", "kafkauser", "release-forwarder", "--type=json", "-p", patch); err != nil {
				return err
			}
			return process.Until(ctx, settled, func() error { return w.taken(ctx, resource) })
		}
	}
	return fmt.Errorf("no right on %s", resource)
}

// taken is nil where Kafka gives the service no right on a resource.
func (w *world) taken(ctx context.Context, resource string) error {
	acls := kadm.NewACLs().AnyResource(resource).Allow("User:release-forwarder").AllowHosts().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny)
	found, err := w.admin.DescribeACLs(ctx, acls)
	for _, f := range found {
		if len(f.Described) > 0 {
			return errors.Join(err, fmt.Errorf("rights on %s are in force", resource))
		}
	}
	return err
}
