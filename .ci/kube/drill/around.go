package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/process"
)

// carSpoiled has an event come that becomes a dead letter, and gives the person what somebody asks for it by.
func carSpoiled(ctx context.Context, w *world) error {
	w.lanes.change(func(l *lanes) {
		value := l.event(nil)
		flow := flowOf(value)
		w.person.values["FLOW"], w.person.values["LOT"] = flow.No, flow.Lot
		l.produce(ctx, &kgo.Record{Topic: topic, Value: value})
	})
	plates := os.WriteFile(filepath.Join(w.person.home, "plates.txt"), []byte("粤B12345\n"), 0o600)
	return errors.Join(plates, deadLettersOpen(ctx, w))
}

// checkSuspended has somebody suspend the hourly check while a dead letter is open.
func checkSuspended(ctx context.Context, w *world) error {
	w.lanes.spoil(ctx)
	_, err := w.kc(ctx, "", "patch", "cronjob/release-forwarder-dlq-check", "-p", `{"spec":{"suspend":true}}`)
	return errors.Join(err, deadLettersOpen(ctx, w))
}

func oneChosen(ctx context.Context, w *world) error {
	names, err := w.names(ctx)
	if err == nil {
		w.person.values["POD"] = names[0]
	}
	return err
}

// oneRefused has the platform fail one event alone, in a partition of its own parking.
func oneRefused(ctx context.Context, w *world) error {
	record := w.lanes.outside()
	flow := flowOf(record.Value)
	err := answer(http.StatusServiceUnavailable, platform.CodeBusy, func(r *platform.Request) bool { return r.Flow() == flow })(ctx, w)
	if err != nil {
		return err
	}
	if err := w.rolled(ctx, "RETRY_BUDGET=0"); err != nil {
		return err
	}
	if err := w.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	w.lanes.change(func(l *lanes) { l.sent[flow] = true })
	w.person.values["OFFSET"], w.person.values["PARTITION"] = fmt.Sprint(record.Offset), fmt.Sprint(record.Partition)
	w.person.values["BEFORE"] = record.Timestamp.Add(2 * time.Second).UTC().Format(time.RFC3339)
	return process.Until(ctx, settled, func() error {
		if w.double.Tally(flow).Received == 0 {
			return errors.New("the event was not tried")
		}
		return nil
	})
}

// rolled brings a setting to all replicas.
func (w *world) rolled(ctx context.Context, setting string) error {
	if _, err := w.kc(ctx, "", "set", "env", "deployment/release-forwarder", setting); err != nil {
		return err
	}
	_, err := w.kc(ctx, "", "rollout", "status", "deployment/release-forwarder", "--timeout=3m")
	return err
}

// tooLarge sends an event of 34 MiB, which Kafka takes since it is compressed. No replica reads it; all before it is finished.
func tooLarge(ctx context.Context, w *world) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(w.config.admin, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(64<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	record := w.lanes.outside()
	record.Value = append(bytes.Repeat([]byte(" "), 34<<20), record.Value...)
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	w.lanes.change(func(l *lanes) { l.sent[flowOf(l.held)] = true })
	w.person.values["PARTITION"], w.person.values["OFFSET"] = "0", fmt.Sprint(record.Offset)
	return process.Until(ctx, settled, func() error {
		commits, err := w.admin.FetchOffsets(ctx, group)
		if at, _ := commits.Lookup(topic, 0); err == nil && at.At != record.Offset {
			err = fmt.Errorf("the group is at %d, not at the record", at.At)
		}
		return err
	})
}

// largeAccepted waits until the platform has the event that was too large.
func largeAccepted(ctx context.Context, w *world) error {
	return process.Until(ctx, settled, func() (err error) {
		w.lanes.change(func(l *lanes) {
			if w.double.Tally(flowOf(l.held)).Accepted == 0 {
				err = errors.New("the event was not accepted")
			}
		})
		return err
	})
}

// parked has Kafka drop records where the settings leave it to a person what to do.
func parked(ctx context.Context, w *world) error {
	if err := w.rolled(ctx, "KAFKA_OFFSET_RESET=none"); err != nil {
		return err
	}
	if err := w.well(ctx, settled); err != nil {
		return err
	}
	if err := recordsDropped(ctx, w); err != nil {
		return err
	}
	return w.says(ctx, "partition-parked")
}

// says waits until a replica's first sentence is of a condition.
func (w *world) says(ctx context.Context, condition string) error {
	return process.Until(ctx, settled, func() error {
		all, _, err := w.statuses(ctx)
		for _, s := range all {
			if s.Condition == condition {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("no page says %s, but %+v", condition, all))
	})
}

// lotStorm has the platform take all events of one lot for wrong, until the guard holds its dead letters back.
func lotStorm(ctx context.Context, w *world) error {
	if err := answer(http.StatusBadRequest, platform.CodeBadParam, ofLot("lot-1"))(ctx, w); err != nil {
		return err
	}
	return w.says(ctx, "storm")
}

// deadLettersBounded is what follows when somebody lowers the largest message of the dead-letter topic.
func deadLettersBounded(ctx context.Context, w *world) error {
	if _, err := w.kc(ctx, "", "patch", "kafkatopic", deadLetters, "--type", "merge", "-p", `{"spec":{"config":{"max.message.bytes":100}}}`); err != nil {
		return err
	}
	if err := w.configured(ctx, deadLetters, "max.message.bytes", "100"); err != nil {
		return err
	}
	w.lanes.spoil(ctx)
	return w.says(ctx, "dead-letters-blocked")
}

// applied brings the overlay back into force.
func applied(ctx context.Context, w *world) error { return w.apply(ctx) }

// deadLetterTopicGoneAlone is the same as deadLetterTopicGone where no operator keeps the topic.
func deadLetterTopicGoneAlone(ctx context.Context, w *world) error {
	w.stopOperators()
	if err := w.deadLettered(ctx); err != nil {
		return err
	}
	if _, err := w.admin.DeleteTopic(ctx, deadLetters); err != nil {
		return err
	}
	w.lanes.spoil(ctx)
	return w.says(ctx, "dead-letters-blocked")
}

// twoSecrets has the person write the file that has the secret in force, then the next one.
func twoSecrets(_ context.Context, w *world) error {
	w.person.values["NEW"] = "the-next-kafka-password"
	return os.WriteFile(filepath.Join(w.person.home, "app-secret"), []byte(w.secret+"\nanother-secret-of-the-platform\n"), 0o600)
}

// secretsChanged has the platform change, and the person write the file that has the new secret alone.
func secretsChanged(_ context.Context, w *world) error {
	w.secret = "another-secret-of-the-platform"
	w.double.SetSecret(w.secret)
	return os.WriteFile(filepath.Join(w.person.home, "app-secret"), []byte(w.secret), 0o600)
}

// logged waits until every replica has logged an event.
func logged(event string) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		names, err := w.names(ctx)
		if err != nil {
			return err
		}
		return process.Until(ctx, settled, func() error {
			for _, name := range names {
				text, err := w.kc(ctx, "", "logs", name, "--tail=-1")
				if err != nil || !strings.Contains(text, `"`+event+`"`) {
					return errors.Join(err, fmt.Errorf("%s has no %s", name, event))
				}
			}
			return nil
		})
	}
}

// passwordChanged is what Strimzi, or whoever keeps the Secrets, does with the new Kafka password.
func passwordChanged(ctx context.Context, w *world) error {
	_, err := w.kc(ctx, "", "patch", "secret", "release-forwarder", "-p", fmt.Sprintf(`{"stringData":{"password":%q}}`, w.person.values["NEW"]))
	return err
}

// elsewhere makes namespaces that have no Secrets yet, a trust store as a Java client has it, and files of robots' addresses.
func elsewhere(ctx context.Context, w *world) error {
	w.person.values["JKS"], w.person.values["JKS_PASSWORD"] = "client.jks", "changeit"
	for _, name := range []string{"elsewhere", "another"} {
		if _, err := w.kc(ctx, "", "create", "namespace", name); err != nil {
			return err
		}
	}
	for _, name := range []string{"dingtalk", "wecom", "feishu"} {
		if err := os.WriteFile(filepath.Join(w.person.home, name), []byte("https://"+name+".example.com/robot"), 0o600); err != nil {
			return err
		}
	}
	out, err := exec.CommandContext(ctx, "keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", w.ca, "-keystore",
		filepath.Join(w.person.home, "client.jks"), "-storepass", "changeit").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("keytool: %w: %s", err, out)
	}
	return err
}

// overlayChanged has the person put a new version into the overlay: here a setting.
func overlayChanged(_ context.Context, w *world) error {
	w.person.values["OVERLAY"] = w.overlay
	return w.setOverlay("LOG_LEVEL=debug")
}

func overlayBack(_ context.Context, w *world) error { return w.setOverlay() }

// setOverlay leaves these settings more in the overlay, or none.
func (w *world) setOverlay(settings ...string) error {
	file := filepath.Join(w.overlay, "kustomization.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const mark = "behavior: merge, literals: ["
	const first = `"KAFKA_BROKERS=`
	before, rest, _ := strings.Cut(string(text), mark)
	_, after, _ := strings.Cut(rest, first)
	before += mark
	for _, setting := range settings {
		before += strconv.Quote(setting) + ", "
	}
	return os.WriteFile(file, []byte(before+first+after), 0o600)
}
