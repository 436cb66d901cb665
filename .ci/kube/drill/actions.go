package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/process"
)

// settled bounds what others do, or the person waits for.
const settled = 3 * time.Minute

// down has the platform cut every connection; mended has it answer as ever, and the lanes send as ever.
func down(_ context.Context, w *world) error {
	w.double.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Cut: true} })
	return nil
}

func mended(_ context.Context, w *world) error {
	w.double.Script(nil)
	w.lanes.change(func(l *lanes) { l.old = 0 })
	return nil
}

func all(*platform.Request) bool { return true }

func ofLot(lot string) func(*platform.Request) bool {
	return func(r *platform.Request) bool { return r.Params["park_uuid"] == lot }
}

// answer has the platform answer so to all requests that match.
func answer(status int, code string, to func(r *platform.Request) bool) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		w.double.Script(func(r *platform.Request) *platform.Reply {
			if !to(r) {
				return nil
			}
			return &platform.Reply{Status: status, Body: platform.Body{Code: code, Seqno: fmt.Sprint(r.Seq)}.String()}
		})
		return nil
	}
}

func brownOut(ctx context.Context, w *world) error {
	w.lanes.change(func(l *lanes) { l.old = 20 * time.Minute })
	return answer(http.StatusServiceUnavailable, platform.CodeBusy, func(r *platform.Request) bool { return r.Seq%10 != 0 })(ctx, w)
}

// secretChanged is done at the platform; its people send the new one, which the person puts into a file.
func secretChanged(_ context.Context, w *world) error {
	w.secret = "the-platforms-next-secret"
	w.double.SetSecret(w.secret)
	return os.WriteFile(filepath.Join(w.person.home, "app-secret.txt"), []byte(w.secret), 0o600)
}

// accepted waits until the platform has accepted more than by now.
func accepted(ctx context.Context, w *world) error {
	before := w.double.Stats().Accepted
	return process.Until(ctx, settled, func() error {
		if w.double.Stats().Accepted == before {
			return errors.New("nothing was accepted")
		}
		return nil
	})
}

// deadLettersOpen waits until a dead letter is open, and gives the person its ID.
func deadLettersOpen(ctx context.Context, w *world) error {
	return process.Until(ctx, settled, func() error {
		text, err := w.command(ctx, "dlq", "list", "--json")
		if err != nil {
			return err
		}
		var first struct{ ID string }
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&first); err != nil {
			return fmt.Errorf("no dead letter is open: %w", err)
		}
		w.person.values["ID"] = first.ID
		return nil
	})
}

// storm begins where KEDA scales: the platform takes every request for wrong.
func storm(ctx context.Context, w *world) error {
	if _, err := w.kc(ctx, "", "apply", "--server-side", "-f", filepath.Join(w.root, "deployments/components/keda/scaledobject.yaml")); err != nil {
		return err
	}
	return answer(http.StatusBadRequest, platform.CodeBadParam, all)(ctx, w)
}

func withoutKEDA(ctx context.Context, w *world) error {
	if _, err := w.kc(ctx, "", "delete", "scaledobject", "--all"); err != nil {
		return err
	}
	_, err := w.kc(ctx, "", "scale", "deployment/release-forwarder", fmt.Sprint("--replicas=", replicas))
	return err
}

func brokerPod(number int) string { return fmt.Sprint("events-broker-", number) }

// brokers has the same happen to some.
func brokers(what string, numbers ...int) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		for _, n := range numbers {
			if err := w.broker(what, n); err != nil {
				return err
			}
		}
		return nil
	}
}

// brokersBack waits until all answer: the pods that stand for them are ready before.
func brokersBack(ctx context.Context, w *world) error {
	return process.Until(ctx, settled, func() error {
		for _, address := range strings.Split(w.config.admin, ",") {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			_ = conn.Close()
		}
		brokers, err := w.admin.ListBrokers(ctx)
		if err == nil && len(brokers) != 3 {
			err = fmt.Errorf("%d brokers", len(brokers))
		}
		return err
	})
}

const offsetsTopic = "__consumer_offsets"

// commitsRefused has the offsets' topic want all three brokers, of which one that does not coordinate the group goes.
func commitsRefused(ctx context.Context, w *world) error {
	wanted := "3"
	if _, err := w.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "min.insync.replicas", Value: &wanted}}, offsetsTopic); err != nil {
		return err
	}
	coordinators := w.admin.FindGroupCoordinators(ctx, group)
	if err := coordinators.Error(); err != nil {
		return err
	}
	other := int(coordinators[group].NodeID) % 3 // the coordinator's own number is one less
	w.person.values["BROKER"] = brokerPod(other)
	return w.broker("kill", other)
}

func offsetsAsBefore(ctx context.Context, w *world) error {
	_, err := w.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "min.insync.replicas"}}, offsetsTopic)
	return err
}

// downAndBusy has more events wait than CONSUMER_MAX_PENDING.
func downAndBusy(ctx context.Context, w *world) error {
	if err := down(ctx, w); err != nil {
		return err
	}
	w.lanes.burst(ctx, 0, 5000)
	return nil
}

// signalled sends a signal to the processes of pods.
func signalled(s syscall.Signal, pods ...string) error {
	for _, name := range pods {
		pid, err := processOf(name)
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, s); err != nil {
			return err
		}
	}
	return nil
}

// names are the replicas'.
func (w *world) names(ctx context.Context) ([]string, error) {
	pods, err := w.podsOf(ctx, label)
	var names []string
	for _, p := range pods {
		names = append(names, p.Metadata.Name)
	}
	return names, err
}

// recordsDropped has Kafka delete what comes while all replicas stand still for a moment, as retention does while they are away.
func recordsDropped(ctx context.Context, w *world) error {
	names, err := w.names(ctx)
	if err != nil {
		return err
	}
	if err := signalled(syscall.SIGSTOP, names...); err != nil {
		return err
	}
	for range 11 { // one after the other: a fetch that waits at the broker is answered with the first, and no other comes
		w.lanes.burst(ctx, 0, 1)
		if err := w.client.Flush(ctx); err != nil {
			return err
		}
	}
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(topic, 0)
	var to kadm.Offsets
	to.Add(kadm.Offset{Topic: topic, Partition: 0, At: end.Offset, LeaderEpoch: -1})
	_, err = w.admin.DeleteRecords(ctx, to)
	return errors.Join(err, signalled(syscall.SIGCONT, names...))
}

// sentAgain is what the lanes' people do with the offsets of the log line.
func sentAgain(ctx context.Context, w *world) error {
	text, err := w.kc(ctx, "", "logs", "-l", label, "--tail=-1")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		var dropped struct {
			Event     string
			Partition int32
			From, To  int64
		}
		if json.Unmarshal([]byte(line), &dropped) == nil && (dropped.Event == "records-dropped" || dropped.Event == "partition-parked") {
			w.lanes.again(ctx, dropped.Partition, dropped.From, dropped.To)
			return nil
		}
	}
	return errors.New("no line records-dropped or partition-parked")
}

func frozen(ctx context.Context, w *world) error {
	names, err := w.names(ctx)
	if err != nil {
		return err
	}
	w.person.values["POD"] = names[0]
	return signalled(syscall.SIGSTOP, names[0])
}

// openTransaction is of a producer that begins one and hangs. Its event is sent again when it was aborted.
func openTransaction(ctx context.Context, w *world) error {
	const id = "lane-1"
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(w.config.admin, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(id), kgo.TransactionTimeout(14*time.Minute))
	if err != nil {
		return err
	}
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	w.ends = append(w.ends, client.Close)
	record := w.lanes.outside()
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	w.person.values["TRANSACTIONAL_ID"], w.person.values["PARTITION"], w.person.values["OFFSET"] = id, "0", fmt.Sprint(record.Offset)
	return nil
}

// sentOutside is what the lanes' people do when the transaction is aborted.
func sentOutside(ctx context.Context, w *world) error {
	w.lanes.change(func(l *lanes) { l.produce(ctx, &kgo.Record{Topic: topic, Value: l.held}) })
	return nil
}

// set changes settings of the Deployment, as somebody does by hand.
func set(settings ...string) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		before, err := w.names(ctx)
		if err != nil {
			return err
		}
		if _, err := w.kc(ctx, "", append([]string{"set", "env", "deployment/release-forwarder"}, settings...)...); err != nil {
			return err
		}
		return process.Until(ctx, settled, func() error {
			now, err := w.names(ctx)
			for _, name := range now {
				if !strings.Contains(strings.Join(before, " "), name) {
					w.person.values["POD"] = name
					return err
				}
			}
			return errors.Join(err, errors.New("no new pod"))
		})
	}
}

// logStuck freezes what reads the replicas' logs, containerd, while they write a span of each delivery, until lines are dropped.
func logStuck(ctx context.Context, w *world) error {
	if err := set("OTEL_TRACES_EXPORTER=console", "OTEL_TRACES_SAMPLER=always_on")(ctx, w); err != nil {
		return err
	}
	if err := w.well(ctx, settled); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(os.Getenv("KUBE_RUN"), "node/containerd.pid"))
	if err != nil {
		return err
	}
	var runtime int
	if _, err := fmt.Sscan(string(text), &runtime); err != nil {
		return err
	}
	w.begun = time.Now()
	if err := syscall.Kill(runtime, syscall.SIGSTOP); err != nil {
		return err
	}
	for n := range partitions {
		w.lanes.burst(ctx, n, 1500)
	}
	err = process.Until(ctx, time.Minute, func() error {
		samples, err := w.prometheus.Query(ctx, "release_forwarder_log_lines_dropped_total > 0")
		if err == nil && len(samples) > 0 {
			w.person.values["POD"] = samples[0].Labels["pod"]
			return nil
		}
		return errors.Join(err, errors.New("no line was dropped"))
	})
	return errors.Join(err, syscall.Kill(runtime, syscall.SIGCONT))
}

// nearRetention has the platform down, and events come that are as old as the topic keeps them but four hours.
func nearRetention(ctx context.Context, w *world) error {
	w.lanes.change(func(l *lanes) { l.old = 14*24*time.Hour - 4*time.Hour })
	return down(ctx, w)
}

// nearRetentionAlone is the same where no operator keeps the topic.
func nearRetentionAlone(ctx context.Context, w *world) error {
	if err := w.configured(ctx, topic, "retention.ms", w.person.values["RETENTION_MS_BEFORE"]); err != nil { // what the trouble before put back
		return err
	}
	w.stopOperators()
	return nearRetention(ctx, w)
}

// configured waits until a topic has this value.
func (w *world) configured(ctx context.Context, topic, key, value string) error {
	return process.Until(ctx, settled, func() error {
		configs, err := w.admin.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			return err
		}
		for _, c := range configs[0].Configs {
			if c.Key == key && c.MaybeValue() == value {
				return nil
			}
		}
		return fmt.Errorf("%s of %s is not %s", key, topic, value)
	})
}

func withStrimzi(ctx context.Context, w *world) error { return w.startOperators(ctx) }

// quiet waits until none of the alerts that threaten a loss is true.
func quiet(ctx context.Context, w *world) error {
	return process.Until(ctx, settled, func() error {
		names, err := w.firing(ctx)
		if strings.Contains(strings.Join(names, " "), "RetentionVeryNear") {
			return errors.Join(err, errors.New("RetentionVeryNear is true"))
		}
		return err
	})
}

// caughtUp waits until nothing waits any more.
func caughtUp(ctx context.Context, w *world) error {
	return process.Until(ctx, settled, func() error {
		samples, err := w.prometheus.Query(ctx, "max(release_forwarder_oldest_unfinished_seconds) > 60")
		if err == nil && len(samples) > 0 {
			err = fmt.Errorf("the oldest event is %.0fs old", samples[0].Value)
		}
		return err
	})
}

// command runs one of the forwarder's for the drill itself, as a super user.
func (w *world) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.binary, args...)
	cmd.Env = append(os.Environ(), "KAFKA_BROKERS="+w.config.admin, "KAFKA_TOPIC="+topic, "KAFKA_REPLAY_TOPIC="+replays, "KAFKA_GROUP_ID="+group)
	var said strings.Builder
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, said.String())
	}
	return string(text), err
}
