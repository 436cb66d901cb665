package doctor

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	eventTopic      = "events"
	deadLetterTopic = "events.dlq"
	groupID         = "forwarders"
	adminUser       = "admin"
	password        = "pass-word-of-nobody"
)

// lab is a cluster in virtual time, with a client that brings it into the state of a test, and the settings to
// examine it with.
type lab struct {
	t        *testing.T
	net      *memnet.Net
	cluster  *kfake.Cluster
	admin    *kadm.Client
	client   *kgo.Client
	settings *settings.Settings
}

// inLab runs a test in a bubble with a cluster of three brokers.
func inLab(t *testing.T, test func(l *lab), opts ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, net: &memnet.Net{}}
		cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.ListenFn(l.net.Listen)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		l.cluster = cluster
		l.settings = &settings.Settings{
			Kafka: settings.Kafka{
				GroupProtocol: membership.ProtocolClassic,
				Brokers:       slices.Sorted(slices.Values(cluster.ListenAddrs())), Topics: []string{eventTopic}, GroupID: groupID, ClientID: "release-forwarder",
				OffsetReset: consumer.ResetEarliest, MaxRecordBytes: 1 << 20, SessionTimeout: 30 * time.Second, RebalanceTimeout: time.Minute,
				TLS: settings.TLS{Verify: settings.VerifyFull}, SASL: settings.SASL{Mechanism: settings.NoSASL},
			},
			DeadLetters: settings.DeadLetters{Topic: deadLetterTopic},
		}
		l.connect()
		defer func() { l.client.Close() }()
		test(l)
	})
}

// connect makes the observer's client, with further options.
func (l *lab) connect(opts ...kgo.Opt) {
	l.t.Helper()
	if l.client != nil {
		l.client.Close()
	}
	l.client = l.newClient(opts...)
	l.admin = kadm.NewClient(l.client)
}

func (l *lab) newClient(opts ...kgo.Opt) *kgo.Client {
	l.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(l.cluster.ListenAddrs()...), kgo.Dialer(l.net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// create creates a topic; settings are given as name, value, ….
func (l *lab) create(name string, partitions int32, replicas int16, config ...string) {
	l.t.Helper()
	configs := map[string]*string{}
	for i := 0; i < len(config); i += 2 {
		configs[config[i]] = &config[i+1]
	}
	if _, err := l.admin.CreateTopic(l.t.Context(), partitions, replicas, configs, name); err != nil {
		l.t.Fatal(err)
	}
}

// healthy creates both topics as they should be, with further settings of the dead letters.
func (l *lab) healthy(deadLetters ...string) {
	l.t.Helper()
	l.create(eventTopic, 4, 3, "min.insync.replicas", "2")
	l.create(deadLetterTopic, 2, 3, append([]string{"min.insync.replicas", "2", "max.message.bytes", "1100000", "retention.ms", "2592000000"}, deadLetters...)...)
}

// receipts makes a healthy cluster, in which the service writes receipts.
func (l *lab) receipts(configs ...string) {
	l.t.Helper()
	l.healthy()
	l.settings.Receipts.Topic = "receipts"
	l.create("receipts", 2, 3, append([]string{"min.insync.replicas", "2"}, configs...)...)
}

func (l *lab) produce(topic string, partition int32, n int) {
	l.t.Helper()
	for range n {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(`{"plate":"a-plate-nobody-may-see"}`)}
		if err := l.client.ProduceSync(l.t.Context(), r).FirstErr(); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *lab) commit(topic string, partition int32, offset int64) {
	l.t.Helper()
	var o kadm.Offsets
	o.AddOffset(topic, partition, offset, -1)
	if err := l.admin.CommitAllOffsets(l.t.Context(), groupID, o); err != nil {
		l.t.Fatal(err)
	}
}

// look returns the package's report on the cluster.
func (l *lab) look() Report {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	return Kafka(ctx, l.settings, l.net.Dial)
}

// joins makes a member join the group that is no replica, and waits until the group has settled.
func (l *lab) joins(opts ...kgo.Opt) {
	l.t.Helper()
	member := l.newClient(append([]kgo.Opt{kgo.ClientID("release-forwarder"), kgo.ConsumerGroup(groupID)}, opts...)...)
	l.t.Cleanup(member.Close)
	time.Sleep(10 * time.Second)
}

// joinsHalf leaves a group that waits for its leader's assignment.
func (l *lab) joinsHalf() {
	l.t.Helper()
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = groupID, "consumer", 60_000, 60_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name = "range"
	req.Protocols = append(req.Protocols, p)
	for range 2 { // the first answer gives the member its ID
		res, err := req.RequestWith(l.t.Context(), l.client)
		if err != nil {
			l.t.Fatal(err)
		}
		req.MemberID = res.MemberID
	}
}

// shares makes the group one of type share.
func (l *lab) shares() {
	l.t.Helper()
	member := l.newClient(kgo.ShareGroup(groupID), kgo.ConsumeTopics(eventTopic))
	l.t.Cleanup(member.Close)
	time.Sleep(10 * time.Second)
}

// ofGroup sets settings of the group, given as name, value, ….
func (l *lab) ofGroup(config ...string) {
	l.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, groupID
	for i := 0; i < len(config); i += 2 {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = config[i], &config[i+1]
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	res, err := req.RequestWith(l.t.Context(), l.client)
	if err != nil || res.Resources[0].ErrorCode != 0 {
		l.t.Fatal(err, res)
	}
}

// user makes the settings, and the observer, log in.
func (l *lab) user(name, secret string) {
	l.settings.Kafka.SASL = settings.SASL{Mechanism: settings.ScramSHA512, Username: name, Password: settings.NewSecret(secret)}
}

func asAdmin() kgo.Opt {
	return kgo.SASL(scram.Auth{User: adminUser, Pass: password}.AsSha512Mechanism())
}

func (r Report) find(area Area, check string) Report {
	return slices.DeleteFunc(slices.Clone(r), func(f Finding) bool { return f.Area != area || f.Check != check })
}

func golden(t *testing.T, name string, r Report) {
	t.Helper()
	var got bytes.Buffer
	if err := r.Text(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// certified returns a self-signed certificate of a broker for 127.0.0.1, valid from a time for a length, and a
// file with it.
func certified(t *testing.T, from time.Time, length time.Duration) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"},
		NotBefore: from.Add(-time.Hour), NotAfter: from.Add(length),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// bubbleBegins is when a bubble's clock begins.
var bubbleBegins = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func offsetsAt(topic string, partition int32, at int64) kadm.Offsets {
	var o kadm.Offsets
	o.AddOffset(topic, partition, at, -1)
	return o
}

// silent dials a broker that accepts and never answers.
func (l *lab) silent() func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			buf := make([]byte, 1024)
			for {
				if _, err := there.Read(buf); err != nil {
					return
				}
			}
		}()
		return here, nil
	}
}
