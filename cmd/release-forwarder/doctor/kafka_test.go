package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/membership"
)

const day = 24 * time.Hour

// secured makes settings and observer use TLS with an authority's file.
func (l *lab) secured(ca string) {
	l.settings.Kafka.TLS = settings.TLS{Enabled: true, CAFile: ca, Verify: settings.VerifyFull}
}

func overTLS(l *lab, ca string) kgo.Opt {
	l.t.Helper()
	contents, err := os.ReadFile(ca)
	if err != nil {
		l.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(contents)
	return kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := l.net.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}), nil
	})
}

func TestAHealthyCluster(t *testing.T) {
	certificate, ca := certified(t, bubbleBegins, 400*day)
	inLab(t, func(l *lab) {
		l.secured(ca)
		l.user("admin", password)
		l.connect(overTLS(l, ca), asAdmin())
		l.healthy()
		member := l.newClient(overTLS(l, ca), asAdmin(), kgo.ClientID("release-forwarder"), kgo.ConsumerGroup(groupID), kgo.ConsumeTopics(eventTopic),
			kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.DisableAutoCommit())
		defer member.Close()
		for p := range int32(4) {
			l.produce(eventTopic, p, 5)
		}
		for n := 0; n < 20; {
			n += len(member.PollFetches(l.t.Context()).Records())
		}
		// The service writes nothing beside an offset if nothing beyond it is finished.
		plain := kgo.PreCommitFnContext(l.t.Context(), func(r *kmsg.OffsetCommitRequest) error {
			for _, topic := range r.Topics {
				for i := range topic.Partitions {
					topic.Partitions[i].Metadata = nil
				}
			}
			return nil
		})
		if err := member.CommitUncommittedOffsets(plain); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		l.produce(eventTopic, 2, 3)
		time.Sleep(90 * time.Second)
		golden(t, "healthy.txt", l.look())
	}, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", adminUser, password))
}

func TestAnIllCluster(t *testing.T) {
	certificate, ca := certified(t, bubbleBegins, 12*day)
	inLab(t, func(l *lab) {
		l.secured(ca)
		l.connect(overTLS(l, ca))
		l.settings.Kafka.ReplayTopic = "events.again"
		l.settings.Kafka.SessionTimeout = time.Second
		l.settings.Kafka.Brokers = append(l.settings.Kafka.Brokers[:1], "127.0.0.1:9")
		l.create(eventTopic, 2, 3, "min.insync.replicas", "1", "retention.ms", "3600000", "cleanup.policy", "compact,delete")
		l.create(deadLetterTopic, 1, 1, "cleanup.policy", "compact", "max.message.bytes", "65536", "retention.bytes", "1000000")
		l.produce(eventTopic, 0, 10)
		l.commit(eventTopic, 0, 4)
		l.commit(eventTopic, 1, 7)
		time.Sleep(40 * time.Minute)
		golden(t, "ill.txt", l.look())
	}, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}))
}

// Each case makes one thing wrong.
func TestOneThingIsWrong(t *testing.T) {
	certificate, ca := certified(t, bubbleBegins, 400*day)
	_, otherCA := certified(t, bubbleBegins, 400*day)
	secured := kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}})
	for _, c := range []struct {
		name    string
		opts    []kfake.Opt
		make    func(l *lab)
		area    Area
		check   string
		verdict Verdict
		says    string // a part of text or remedy
	}{
		{"no event topic", nil, func(l *lab) { l.create(deadLetterTopic, 1, 3) }, Topics, "exists", Wrong, "KAFKA_TOPIC"},
		{"one of several event topics is missing", nil, func(l *lab) { l.healthy(); l.settings.Kafka.Topics = append(l.settings.Kafka.Topics, "more") }, Topics, "exists", Wrong, "KAFKA_TOPIC"},
		{"no dead-letter topic", nil, func(l *lab) { l.create(eventTopic, 1, 3) }, Topics, "exists", Wrong, "create it"},
		{"no replay topic", nil, func(l *lab) { l.healthy(); l.settings.Kafka.ReplayTopic = "again" }, Topics, "exists", Warning, "KAFKA_REPLAY_TOPIC"},
		{"no receipts topic", nil, func(l *lab) { l.healthy(); l.settings.Receipts.Topic = "receipts" }, Topics, "exists", Wrong, "RECEIPTS_TOPIC"},
		{"compacted receipts", nil, func(l *lab) { l.receipts("cleanup.policy", "compact") }, Topics, "cleanup.policy", Wrong, "the first is the valid one"},
		{"receipts compacted and deleted", nil, func(l *lab) { l.receipts("cleanup.policy", "compact,delete") }, Topics, "cleanup.policy", Wrong, "the first is the valid one"},
		{"receipts kept as long as Kafka's default", nil, func(l *lab) { l.receipts() }, Topics, "retention.ms", Warning, "7 days: what became"},
		{"receipts kept for a day less than said", nil, func(l *lab) { l.receipts("retention.ms", "34473600000") }, Topics, "retention.ms", Warning, "399 days: what became"},
		{"receipts kept as long as said", nil, func(l *lab) { l.receipts("retention.ms", "34560000000") }, Topics, "retention.ms", OK, "400 days"},
		{"compacted dead letters", nil, func(l *lab) { l.healthy("cleanup.policy", "compact") }, Topics, "cleanup.policy", Wrong, "without a key are refused"},
		{"dead letters compacted and deleted", nil, func(l *lab) { l.healthy("cleanup.policy", "compact,delete") }, Topics, "cleanup.policy", Wrong, deadLetterTopic},
		{"one replica in sync is enough for dead letters", nil, func(l *lab) { l.healthy("min.insync.replicas", "1") }, Topics, "min.insync.replicas", Warning, "min.insync.replicas=2"},
		{"all replicas must be in sync", nil, func(l *lab) { l.healthy("min.insync.replicas", "3") }, Topics, "min.insync.replicas", Warning, "any broker down"},
		{"more replicas must be in sync than there are", nil, func(l *lab) { l.healthy("min.insync.replicas", "4") }, Topics, "min.insync.replicas", Wrong, "min.insync.replicas=2"},
		{"dead letters smaller than events", nil, func(l *lab) { l.healthy("max.message.bytes", "1000") }, Topics, "max.message.bytes", Wrong, "max.message.bytes=1064972"},
		{"no room for a dead letter's headers", nil, func(l *lab) { l.healthy("max.message.bytes", "1048588") }, Topics, "max.message.bytes", Warning, "no room for headers"},
		{"dead letters kept for a day", nil, func(l *lab) { l.healthy("retention.ms", "86400000") }, Topics, "retention.ms", Warning, "24h0m: dead letters"},
		{"dead letters kept to a size", nil, func(l *lab) { l.healthy("retention.bytes", "5") }, Topics, "retention.bytes", Warning, "retention.bytes=-1"},
		{"another name", []kfake.Opt{secured}, func(l *lab) { l.secured(ca); l.settings.Kafka.TLS.ServerName = "kafka.internal" }, Brokers, "tls", Wrong, "KAFKA_TLS_SERVER_NAME"},
		{"another authority", []kfake.Opt{secured}, func(l *lab) { l.secured(otherCA) }, Brokers, "tls", Wrong, "KAFKA_TLS_CA_FILE"},
		{"a wrong password", []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", adminUser, password)}, func(l *lab) { l.user(adminUser, "wr0ng") }, Brokers, "sasl", Wrong, "KAFKA_SASL_USERNAME"},
		{"an old broker", []kfake.Opt{kfake.MaxVersions(kversion.V2_2_0())}, func(l *lab) { l.healthy() }, Brokers, "versions", Wrong, "Fetch version 11"},
		{"a broker without the consumer protocol", []kfake.Opt{kfake.MaxVersions(kversion.V3_9_0())}, func(l *lab) {
			l.healthy()
			l.settings.Kafka.GroupProtocol = membership.ProtocolConsumer
		}, Brokers, "versions", Wrong, "ConsumerGroupHeartbeat version 1"},
		{"a broker without topic IDs", []kfake.Opt{kfake.MaxVersions(kversion.V2_7_0())}, func(l *lab) { l.healthy() }, Brokers, "log identity", Warning, "no topic IDs"},
		{"a broker that is not read by ID", []kfake.Opt{kfake.MaxVersions(kversion.V3_0_0())}, func(l *lab) { l.healthy() }, Brokers, "log identity", Warning, "within two seconds"},
		{"a broker that is down", nil, func(l *lab) {
			l.healthy()
			l.settings.Kafka.Brokers = append(l.settings.Kafka.Brokers, "127.0.0.1:9")
		}, Brokers, "reachable", Warning, "connection refused"},
		{"a broker whose own address cannot be reached", nil, func(l *lab) {
			l.healthy()
			gone := l.settings.Kafka.Brokers[2]
			l.settings.Kafka.Brokers = l.settings.Kafka.Brokers[:2]
			l.net.Refuse = func(address string) error {
				if address == gone {
					return net.UnknownNetworkError("none")
				}
				return nil
			}
		}, Brokers, "reachable", Wrong, "advertised.listeners"},
		{"a session time-out the brokers do not take", nil, func(l *lab) { l.healthy(); l.settings.Kafka.SessionTimeout = time.Hour }, Brokers, "group.*.session.timeout.ms", Wrong, "KAFKA_SESSION_TIMEOUT"},
		{"records deleted before they were read", nil, func(l *lab) {
			l.healthy()
			l.produce(eventTopic, 1, 10)
			l.commit(eventTopic, 1, 3)
			if _, err := l.admin.DeleteRecords(l.t.Context(), offsetsAt(eventTopic, 1, 8)); err != nil {
				l.t.Fatal(err)
			}
		}, Group, "commits of events", Wrong, "deleted 5 records before they were read, in partitions 1"},
		{"a topic that was made anew", nil, func(l *lab) { l.healthy(); l.commit(eventTopic, 3, 8) }, Group, "commits of events", Wrong, "above the log's end in partitions 3"},
		{"another program's commit", nil, func(l *lab) {
			l.healthy()
			l.produce(eventTopic, 1, 10)
			o := kadm.Offsets{eventTopic: {1: {Topic: eventTopic, Partition: 1, At: 3, LeaderEpoch: -1, Metadata: "not ours"}}}
			if err := l.admin.CommitAllOffsets(l.t.Context(), groupID, o); err != nil {
				l.t.Fatal(err)
			}
		}, Group, "commits of events", Warning, "the commit metadata of partitions 1"},
		{"another program in the group", nil, func(l *lab) {
			l.healthy()
			l.create("other", 1, 3)
			other := l.newClient(kgo.ClientID("billing"), kgo.ConsumerGroup(groupID), kgo.ConsumeTopics("other"), kgo.Balancers(kgo.RangeBalancer()))
			l.t.Cleanup(other.Close)
			time.Sleep(10 * time.Second)
		}, Group, "members", Warning, "with 1 partitions; some read other"},
		{"another program that leaves partitions to nobody", nil, func(l *lab) {
			l.healthy()
			l.create("other", 1, 3)
			l.joins(kgo.ClientID("billing"), kgo.ConsumeTopics("other"))
		}, Group, "owners", Warning, "no one reads 4 of 4 partitions: events/0, events/1"},
		{"a member that knows only range", nil, func(l *lab) {
			l.healthy()
			l.joins(kgo.ConsumeTopics(eventTopic), kgo.Balancers(kgo.RangeBalancer()))
		}, Group, "members", Warning, "know only range"},
		{"a member by another client ID", nil, func(l *lab) {
			l.healthy()
			l.joins(kgo.ClientID("billing"), kgo.ConsumeTopics(eventTopic), kgo.Balancers(kgo.CooperativeStickyBalancer()))
		}, Group, "members", Warning, "by another client ID than release-forwarder"},
		{"a protocol that is not offered", nil, func(l *lab) {
			l.healthy()
			l.joins(kgo.ConsumeTopics(eventTopic), kgo.Balancers(kgo.StickyBalancer()))
		}, Group, "state", Warning, "protocol sticky: unless its members know one of cooperative-sticky, range, roundrobin too"},
		{"a rebalance that does not end", nil, func(l *lab) {
			l.healthy()
			l.joinsHalf()
		}, Group, "owners", Unknown, "unknown while the group rebalances"},
		{"a group of type consumer", nil, func(l *lab) {
			l.healthy()
			l.joins(kgo.ConsumeTopics(eventTopic), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
		}, Group, "state", OK, "Stable, type consumer, protocol uniform"},
		{"its session is not known", nil, func(l *lab) {
			l.healthy()
			l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
			l.joins(kgo.ConsumeTopics(eventTopic), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
		}, Group, "consumer.session.timeout.ms", Unknown, "--operation DescribeConfigs --group forwarders"},
		{"its session is shorter than the service's", nil, func(l *lab) {
			l.healthy()
			l.joins(kgo.ConsumeTopics(eventTopic), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
			l.ofGroup("consumer.session.timeout.ms", "20000", "consumer.heartbeat.interval.ms", "3000")
		}, Group, "consumer.session.timeout.ms", Warning, "20s, heartbeats each 3s: the broker's, below KAFKA_SESSION_TIMEOUT (30s)"},
		{"its session is the brokers', and longer", nil, func(l *lab) {
			l.healthy()
			l.joins(kgo.ConsumeTopics(eventTopic), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
		}, Group, "consumer.session.timeout.ms", OK, "45s, heartbeats each 5s: the broker's, not below KAFKA_SESSION_TIMEOUT (30s)"},
		{"no ledger, but it can be made", nil, func(l *lab) { l.healthy() }, Topics, "cleanup.policy", OK, "events.dlq.ledger (ledger) not there yet; the brokers take a compacted topic"},
		{"no ledger, and brokers that compact nothing", nil, func(l *lab) {
			l.healthy()
			l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.PolicyViolation, Count: -1})
		}, Topics, "cleanup.policy", Warning, "refuse a client that creates a compacted topic"},
		{"no ledger, and no right to make it", nil, func(l *lab) {
			l.healthy()
			l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		}, Topics, "cleanup.policy", Unknown, "grant Create on it to the replayer"},
		{"a ledger that forgets", nil, func(l *lab) { l.healthy(); l.create(deadLetterTopic+".ledger", 1, 3) }, Topics, "cleanup.policy", Warning, "delete: it would forget what was decided"},
		{"a ledger that keeps", nil, func(l *lab) { l.healthy(); l.create(deadLetterTopic+".ledger", 1, 3, "cleanup.policy", "compact") }, Topics, "cleanup.policy", OK, "(ledger) compact"},
		{"events larger than the service handles without remark", nil, func(l *lab) { l.healthy(); l.settings.Kafka.MaxRecordBytes = 1 << 16 }, Topics, "max.message.bytes", Warning, "set KAFKA_MAX_RECORD_BYTES=1048588"},
		{"a broker that names no producer", []kfake.Opt{kfake.MaxVersions(kversion.V2_7_0())}, func(l *lab) { l.healthy() }, Brokers, "not offered", OK, "DescribeProducers (the producer of an open transaction is not named); ConsumerGroupHeartbeat (KAFKA_GROUP_PROTOCOL=consumer does not work)"},
		{"brokers that tell no settings", []kfake.Opt{without(kmsg.DescribeConfigs)}, func(l *lab) { l.healthy() }, Brokers, "not offered", Warning, "DescribeConfigs (no alert comes before retention deletes what waits"},
		{"a quota of this client ID", nil, func(l *lab) { l.healthy(); l.bounded("client-id", "release-forwarder") }, Brokers, "quotas", OK, "consumer_byte_rate 1e+06, of which"},
		{"a quota of every client ID", nil, func(l *lab) { l.healthy(); l.bounded("client-id", "") }, Brokers, "quotas", OK, "consumer_byte_rate 1e+06, of which"},
		{"a quota of another", nil, func(l *lab) { l.healthy(); l.bounded("client-id", "another") }, Brokers, "quotas", OK, "none for this user"},
		{"an answer that is held back", nil, func(l *lab) {
			l.healthy()
			l.cluster.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
				l.cluster.KeepControl()
				res := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
				res.ThrottleMillis = 1500
				return res, nil, true
			})
		}, Brokers, "throttling", Warning, "held back for 1.5s"},
		{"commits that are soon deleted", []kfake.Opt{kfake.BrokerConfigs(map[string]string{"offsets.retention.minutes": "60"})}, func(l *lab) {
			l.healthy()
			l.commit(eventTopic, 0, 0)
		}, Group, "offsets.retention.minutes", Warning, "1h0m after the last member left: what the topic still keeps is then sent again"},
		{"a group of another type", nil, func(l *lab) { l.healthy(); l.shares() }, Group, "state", Wrong, "type share, but of another kind"},
		{"a group that the broker tells nothing of", nil, func(l *lab) {
			l.healthy()
			l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupDescribe}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		}, Group, "state", Unknown, "a topic that this user may not describe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				c.make(l)
				l.expect(l.look(), c.area, c.check, c.verdict, c.says)
			}, c.opts...)
		})
	}
}

// without is a cluster that does not take a request.
func without(key kmsg.Key) kfake.Opt {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(key), -1)
	return kfake.MaxVersions(versions)
}

// bounded sets a quota; a name of "" is the default.
func (l *lab) bounded(kind, name string) {
	l.t.Helper()
	of := kmsg.AlterClientQuotasRequestEntryEntity{Type: kind, Name: &name}
	if name == "" {
		of.Name = nil
	}
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = []kmsg.AlterClientQuotasRequestEntry{{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{of}, Ops: []kmsg.AlterClientQuotasRequestEntryOp{{Key: "consumer_byte_rate", Value: 1e6}},
	}}
	if res, err := req.RequestWith(l.t.Context(), l.client); err != nil || res.Entries[0].ErrorCode != 0 {
		l.t.Fatal(err, res)
	}
}

// Brokers may close connections that the service still counts on.
func TestIdleConnectionsThatTheBrokersClose(t *testing.T) {
	for idle, want := range map[string]Verdict{"-1": OK, "600000": OK, "60000": OK, "59999": Warning, "10000": Warning, "": "", "none": ""} {
		p := &doctor{settings: &settings.Settings{Kafka: settings.Kafka{RebalanceTimeout: time.Minute}}}
		f := &findings{}
		p.judgeIdle(f, map[string]string{"connections.max.idle.ms": idle})
		if got := append(f.list, Finding{})[0].Verdict; got != want {
			t.Errorf("%q is %s, want %s", idle, got, want)
		}
	}
}

func TestALoginByATokenSaysItsEnd(t *testing.T) {
	url := &url.URL{Scheme: "https", Host: "idp.test"}
	for want, c := range map[string]struct {
		oauth settings.OAuth
		ends  time.Time
	}{
		"logged in by OAUTHBEARER with a token of KAFKA_SASL_OAUTH_TOKEN_FILE; it does not tell its end": {settings.OAuth{TokenFile: "f"}, time.Time{}},
		"logged in by OAUTHBEARER with a token of KAFKA_SASL_OAUTH_TOKEN_URL; it ends in 2 days":         {settings.OAuth{TokenURL: url}, time.Now().Add(60 * time.Hour)},
	} {
		f := &findings{}
		f.login(settings.SASL{Mechanism: settings.OAuthBearer, OAuth: c.oauth}, c.ends)
		if got := f.list[0]; got.Text != want || got.Verdict != OK {
			t.Errorf("%s: %s", got.Verdict, got.Text)
		}
	}
	p := &doctor{settings: &settings.Settings{Kafka: settings.Kafka{SASL: settings.SASL{Mechanism: settings.OAuthBearer, Username: "client"}}}}
	if got := p.grant("Read", "--topic events"); !strings.Contains(got, "User:SUBJECT-OF-THE-TOKEN ") {
		t.Errorf("the remedy names another user: %s", got)
	}
}

// expect requires that some finding of a check has this verdict.
func (l *lab) expect(r Report, area Area, check string, verdict Verdict, says string) {
	l.t.Helper()
	for _, f := range r.find(area, check) {
		if f.Verdict == verdict && strings.Contains(f.Subject+" "+f.Text+" "+f.Remedy, says) {
			return
		}
	}
	l.t.Errorf("no %s of %s is %s with %q; all findings:\n%s", check, area, verdict, says, text(l.t, r))
}

func text(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func allow(kind kmsg.ACLResourceType, name string, operations ...kmsg.ACLOperation) []kfake.ACL {
	var acls []kfake.ACL
	for _, o := range operations {
		acls = append(acls, kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: o, Allow: true})
	}
	return acls
}

// What a user may not see is unknown; what a user may not do is wrong.
func TestRights(t *testing.T) {
	const read, write, describe = kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe
	onEvents := func(o ...kmsg.ACLOperation) []kfake.ACL { return allow(kmsg.ACLResourceTypeTopic, eventTopic, o...) }
	onDeadLetters := func(o ...kmsg.ACLOperation) []kfake.ACL {
		return allow(kmsg.ACLResourceTypeTopic, deadLetterTopic, o...)
	}
	onGroup := func(o ...kmsg.ACLOperation) []kfake.ACL { return allow(kmsg.ACLResourceTypeGroup, groupID, o...) }
	type verdicts struct{ events, deadLetters, group, commits Verdict }
	for _, c := range []struct {
		name string
		acls [][]kfake.ACL
		want verdicts
	}{
		{"what the service needs", [][]kfake.ACL{onEvents(read), onDeadLetters(write), onGroup(read)}, verdicts{OK, OK, OK, OK}},
		{"nothing", nil, verdicts{Wrong, Wrong, Wrong, ""}},
		{"only to look", [][]kfake.ACL{onEvents(describe), onDeadLetters(describe), onGroup(describe)}, verdicts{Wrong, Wrong, Wrong, OK}},
		{"not to write dead letters", [][]kfake.ACL{onEvents(read), onDeadLetters(read), onGroup(read)}, verdicts{OK, Wrong, OK, OK}},
		{"not the group", [][]kfake.ACL{onEvents(read), onDeadLetters(write)}, verdicts{OK, OK, Wrong, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var acls []kfake.ACL
			for _, a := range c.acls {
				acls = append(acls, a...)
			}
			inLab(t, func(l *lab) {
				l.connect(asAdmin())
				l.healthy()
				l.produce(eventTopic, 0, 5)
				l.commit(eventTopic, 0, 5)
				l.user("lane", "s3cret")
				r := l.look()
				of := func(area Area, subject, check string) Verdict {
					for _, f := range r {
						if f.Area == area && f.Subject == subject && f.Check == check {
							return f.Verdict
						}
					}
					return ""
				}
				got := verdicts{
					of(Rights, "topic events", "read"), of(Rights, "topic events.dlq", "write"),
					of(Rights, "group forwarders", "read"), of(Group, "forwarders", "commits of events"),
				}
				if got != c.want {
					t.Errorf("got %v, want %v\n%s", got, c.want, text(t, r))
				}
				for _, f := range r {
					if f.Verdict == Wrong && f.Area != Rights {
						t.Errorf("what may not be seen is wrong: %+v", f)
					}
					if f.Verdict == Wrong && !strings.Contains(f.Remedy, "User:lane") {
						t.Errorf("the remedy does not name the user: %s", f.Remedy)
					}
				}
			}, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("SCRAM-SHA-512", adminUser, password), kfake.User("SCRAM-SHA-512", "lane", "s3cret", acls...))
		})
	}
}

func TestNothingIsChangedAndNothingOfARecordIsTold(t *testing.T) {
	inLab(t, func(l *lab) {
		l.healthy()
		l.settings.Kafka.ReplayTopic = "again"
		l.produce(eventTopic, 0, 5)
		l.commit(eventTopic, 0, 2)
		harmful := map[string]*kfake.FaultHandle{}
		for key := range kmsg.MaxKey {
			if !harmless[kmsg.Key(key)] {
				harmful[kmsg.NameForKey(int16(key))] = l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Key(key)}, Observe: true, Count: -1})
			}
		}
		harmful["a topic that is made"] = l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			m := r.(*kmsg.MetadataRequest)
			return m.AllowAutoTopicCreation && len(m.Topics) > 0
		}})
		harmful["a topic that is created"] = l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			return !r.(*kmsg.CreateTopicsRequest).ValidateOnly
		}})
		r := l.look()
		for what, h := range harmful {
			if n := h.Hits(); n > 0 {
				t.Errorf("%d requests: %s", n, what)
			}
		}
		if s := text(t, r); strings.Contains(s, "nobody") || !strings.Contains(s, "3 are not finished") {
			t.Errorf("a record's contents, or no look at the records:\n%s", s)
		}
	})
}

var harmless = map[kmsg.Key]bool{
	kmsg.ApiVersions: true, kmsg.Metadata: true, kmsg.DescribeConfigs: true, kmsg.FindCoordinator: true, kmsg.DescribeGroups: true,
	kmsg.ConsumerGroupDescribe: true, kmsg.ListGroups: true, kmsg.DescribeClientQuotas: true, kmsg.CreateTopics: true, // validated alone
	kmsg.OffsetFetch: true, kmsg.ListOffsets: true, kmsg.Fetch: true, kmsg.SASLHandshake: true, kmsg.SASLAuthenticate: true,
	kmsg.GetTelemetrySubscriptions: true, kmsg.PushTelemetry: true, // the observer's
}

// A broker that accepts and never answers costs the given time, no more.
func TestASilentBrokerEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := (&lab{t: t}).silent()
		s := &settings.Settings{Kafka: settings.Kafka{Brokers: []string{"127.0.0.1:7"}, Topics: []string{eventTopic}, GroupID: groupID, RebalanceTimeout: time.Hour}, DeadLetters: settings.DeadLetters{Topic: deadLetterTopic}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		r := Kafka(ctx, s, n)
		if d := time.Since(begun); d > 3*time.Second {
			t.Errorf("ended after %s", d)
		}
		if r.Verdict() == OK && r.Count(Unknown) < 4 {
			t.Errorf("what was not seen is not unknown:\n%s", text(t, r))
		}
	})
}

func TestTheReportForPrograms(t *testing.T) {
	r := Report{{Area: Topics, Subject: "a", Check: "c", Verdict: OK, Text: "<&>"}, {Area: Group, Subject: "b", Check: "d", Verdict: Warning, Remedy: "r"}}
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Verdict  string
		Findings []map[string]string
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Verdict != "warning" || len(got.Findings) != 2 || got.Findings[0]["text"] != "<&>" || got.Findings[1]["remedy"] != "r" || got.Findings[1]["area"] != "group" {
		t.Errorf("%s", b.String())
	}
}
