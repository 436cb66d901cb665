package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/doctor"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/upstream"
)

// DoctorCommand prints what package doctor reports.
type DoctorCommand struct {
	JSON     bool          `name:"json" help:"Print one JSON object."`
	Platform bool          `help:"Send one signed request that the platform must refuse, and explain the answer."`
	Lot      string        `help:"With --platform: the park_uuid of that request; it chooses the credential. Without it one that does not exist."`
	Timeout  time.Duration `default:"60s" help:"Limit for all checks of Kafka; what is not seen by then is unknown. UPSTREAM_TIMEOUT bounds the request to the platform."`
}

// Help implements kong's HelpProvider.
func (DoctorCommand) Help() string {
	return `Checks everything the service depends on. It prints each result, and the remedy:

  ok       as it must be
  warning  works now, but fails when a broker is lost, a disk is full or the like
  wrong    records do not flow, or are lost
  unknown  this user has no right to see it

It checks brokers (reachable, certificate, log-in, versions, quotas) and topics (partitions,
replicas, min.insync.replicas, cleanup.policy, retention, largest message). It checks whether
the brokers take a compacted topic for the ledger of dead letters. It checks this user's rights, the group (type, protocol, members, partitions without an owner, commits and
their age), and which lots have credentials. It changes nothing.

Without --platform nothing is sent to the platform. With it, one request without flow_no is
sent, which the platform can only refuse. The answer tells about network, clocks and signature.

It uses the KAFKA_ settings, DLQ_TOPIC and the credentials; with --platform also the other
UPSTREAM_ settings.

Exits 0 if nothing is wrong, even with warnings or unknowns; 1 if something is wrong; 2 if a
setting is wrong, before anything is contacted.

Example:

  KAFKA_BROKERS=kafka:9092 KAFKA_TOPIC=abnormal-release KAFKA_GROUP_ID=release-forwarder \
  release-forwarder doctor

With the environment of a running replica, and the platform asked too:

  kubectl exec deploy/release-forwarder -- release-forwarder doctor --platform`
}

// Run looks and prints.
func (c *DoctorCommand) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *DoctorCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	groups := []settings.Group{settings.GroupKafka, settings.GroupDeadLetters, settings.GroupReceipts, settings.GroupCredential}
	if c.Platform {
		groups = append(groups, settings.GroupUpstream)
	}
	s, warnings, err := settings.Load(groups...)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		sc.Say("warning: %s", w)
	}
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	report := append(doctor.Kafka(limited, s, dial), doctor.Credentials(s.Credential.Book())...)
	if ctx.Err() != nil {
		return errors.New("interrupted") // half a look says nothing
	}
	if c.Platform {
		asked, err := c.askPlatform(ctx, s, dial, sc.Err)
		if err != nil {
			return err
		}
		report = append(report, asked...)
	}
	write := report.Text
	if c.JSON {
		write = report.JSON
	}
	if err := write(sc.Out); err != nil {
		return err
	}
	if report.Verdict() == doctor.Wrong {
		return console.ErrSomeFailed
	}
	return nil
}

func (c *DoctorCommand) askPlatform(ctx context.Context, s *settings.Settings, dial connect.DialFunc, progress io.Writer) (doctor.Report, error) {
	roots, err := platformRoots(s.Upstream.TLSCAFile)
	if err != nil {
		return nil, err
	}
	lot := cmp.Or(c.Lot, doctor.NoLot)
	before := func(endpoint string) {
		fmt.Fprintf(progress, "sending one signed request without %s to %s (lot %s); the platform can only refuse it\n", s.Event.Endpoint().Repeat, endpoint, upstream.Sanitize(lot))
	}
	return doctor.Platform(ctx, upstream.Config{
		URL: s.Upstream.URL.String(), Credentials: s.Credential.Book().For, Encoding: s.Upstream.Encoding,
		Timeout: s.Upstream.Timeout, SuccessCodes: s.Upstream.SuccessCodes, PermanentCodes: s.Upstream.PermanentCodes, Fields: s.Event.Endpoint().Names(),
		RootCAs: func() *x509.CertPool { return roots }, Proxy: s.Upstream.Proxy.For, Dial: dial,
	}, s.Event.Endpoint(), lot, before)
}

// platformRoots returns the system's certificates and those of UPSTREAM_TLS_CA_FILE; nil
// for the system's alone.
func platformRoots(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	contents, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("UPSTREAM_TLS_CA_FILE: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	return settings.ParseCA(pool, contents)
}
