package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"release-forwarder/cmd/testkit/process"
)

// The settings of every forwarder that the account rests on.
const (
	sessionTimeout    = 6 * time.Second
	heartbeatInterval = time.Second
	rebalanceTimeout  = 10 * time.Second
	commitInterval    = time.Second
	platformTimeout   = 3 * time.Second
	inFlight          = 8
)

// What the run calls things.
const (
	eventTopic, deadLetterTopic, receiptsTopic, groupID = "chaos", "chaos.dlq", "chaos.receipts", "chaos-forwarders"
	appID, appSecret                                    = "op88641899bd20661", "chaos-secret"
)

// forwarder is one replica: a process, and the next one when that was killed.
type forwarder struct {
	number int
	binary string
	dir    string // of the logs
	env    []string
	admin  string // address of its metrics

	mu     sync.Mutex
	life   int              // guarded by mu: processes started
	now    *process.Process // guarded by mu
	wanted bool             // guarded by mu: it is not we who end it
	died   []string         // guarded by mu: how processes ended that were not killed

	missing int // guarded by mu: receipts that its processes counted as missing
}

func newForwarder(number int, binary, dir string, brokers []string, platformURL, protocol string, more []string) (*forwarder, error) {
	admin, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	return &forwarder{number: number, binary: binary, dir: dir, admin: admin, env: append([]string{
		"KAFKA_BROKERS=" + strings.Join(brokers, ","), "KAFKA_CLIENT_ID=" + clientName(number),
		"KAFKA_TOPIC=" + eventTopic, "DLQ_TOPIC=" + deadLetterTopic, "KAFKA_GROUP_ID=" + groupID, "KAFKA_GROUP_PROTOCOL=" + protocol,
		"KAFKA_SASL_MECHANISM=SCRAM-SHA-256", "KAFKA_SASL_USERNAME=" + saslUser, "KAFKA_SASL_PASSWORD=" + saslPassword,
		"KAFKA_SESSION_TIMEOUT=" + sessionTimeout.String(), "KAFKA_HEARTBEAT_INTERVAL=" + heartbeatInterval.String(), "KAFKA_REBALANCE_TIMEOUT=" + rebalanceTimeout.String(),
		"CONSUMER_COMMIT_INTERVAL=" + commitInterval.String(), "CONSUMER_DRAIN_TIMEOUT=5s",
		"UPSTREAM_URL=" + platformURL, "UPSTREAM_APP_ID=" + appID, "UPSTREAM_APP_SECRET=" + appSecret,
		"UPSTREAM_TIMEOUT=" + platformTimeout.String(), fmt.Sprintf("UPSTREAM_MAX_IN_FLIGHT=%d", inFlight),
		"RETRY_BACKOFF_MIN=500ms", "RETRY_BACKOFF_MAX=2s", "ADMIN_ADDR=" + admin, "OTEL_SDK_DISABLED=true",
	}, more...)}, nil
}

// start starts the next process.
func (f *forwarder) start() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life++
	log := filepath.Join(f.dir, fmt.Sprintf("forwarder-%d-%d.log", f.number, f.life))
	p, err := process.Start(f.binary, f.env, log)
	if err != nil {
		return err
	}
	f.now, f.wanted = p, true
	go func() {
		<-p.Done()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.now == p && f.wanted {
			f.died = append(f.died, fmt.Sprintf("%s: ended by itself (%v): %s", log, p.Err(), p.Tail(3)))
		}
	}()
	return nil
}

func (f *forwarder) signal(s syscall.Signal) {
	f.mu.Lock()
	p := f.now
	f.mu.Unlock()
	p.Signal(s)
}

// kill ends the process at once.
func (f *forwarder) kill() {
	f.unwanted().Kill()
}

// stop ends the process as an operator does, and tells whether it went as asked.
func (f *forwarder) stop() error {
	p := f.unwanted()
	if !p.Stop(20 * time.Second) {
		return fmt.Errorf("forwarder %d did not stop within 20s", f.number)
	}
	return p.Err()
}

func (f *forwarder) unwanted() *process.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = false
	return f.now
}

// ended returns how processes ended that were not killed.
func (f *forwarder) ended() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.died
}

// platformURL is the platform as a forwarder sees it, behind its proxy. The
// query tells the ledger who sent a request.
func platformURL(l net.Listener, forwarder int) string {
	return fmt.Sprintf("http://%s/gate/1.0/parking/internal/update?%s%d", l.Addr(), senderParameter, forwarder)
}
