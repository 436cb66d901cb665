package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
)

// certificateNotice is how long before a certificate's end a warning begins: time for a person to have one
// issued.
const certificateNotice = 30 * 24 * time.Hour

// broker examines one broker and reports whether it can be used. role says why it is examined.
func (p *doctor) broker(ctx context.Context, address, role string) (Report, bool) {
	f := &findings{area: Brokers, subject: address + " (" + role + ")"}
	cfg := p.settings.Kafka
	cfg.Brokers = []string{address}
	connected, hangUp := context.WithCancel(ctx)
	defer hangUp()
	k, err := connect.New(connected, connect.Config{Kafka: cfg, Dial: p.dial})
	if err != nil {
		f.wrong("reachable", err.Error(), "fix the file that the setting names")
		return f.list, false
	}
	if err := k.Reach(ctx); err != nil {
		f.failed(err, role)
		return f.list, false
	}
	conn, certificates, err := dial(ctx, k, address)
	if err != nil {
		f.failed(err, role)
		return f.list, false
	}
	defer func() { _ = conn.Close() }()
	f.ok("reachable", "answers")
	f.tls(certificates, cfg.TLS)
	f.login(cfg.SASL, k.TokenEnds())
	f.versions(conn, cfg.GroupProtocol)
	return f.list, true
}

// login says how this user has logged in.
func (f *findings) login(cfg settings.SASL, ends time.Time) {
	const check = "sasl"
	switch cfg.Mechanism {
	case settings.NoSASL, "":
		f.ok(check, "off")
		return
	case settings.Plain, settings.ScramSHA256, settings.ScramSHA512:
		f.ok(check, "logged in as %s by %s", cfg.Username, cfg.Mechanism)
		return
	case settings.OAuthBearer:
	}
	from := "KAFKA_SASL_OAUTH_TOKEN_FILE"
	if cfg.OAuth.TokenURL != nil {
		from = "KAFKA_SASL_OAUTH_TOKEN_URL"
	}
	end := "it does not tell its end"
	if !ends.IsZero() {
		end = "it ends in " + age(time.Until(ends).Milliseconds())
	}
	f.ok(check, "logged in by %s with a token of %s; %s", cfg.Mechanism, from, end)
}

// failed says why a broker cannot be used, under the name of the step that failed.
func (f *findings) failed(err error, role string) {
	fault, is := errors.AsType[*connect.ReachError](err)
	if !is {
		f.unknown("reachable", "no answer in time: "+err.Error(), "raise --timeout, or look at the broker and the network")
		return
	}
	check := "reachable"
	switch fault.Fault {
	case connect.BadTLS:
		check = "tls"
	case connect.BadLogin:
		check = "sasl"
	case connect.Unreachable, connect.NotKafka:
	}
	remedy := fault.Remedy
	if role == advertised && fault.Fault == connect.Unreachable {
		remedy = "the cluster advertises this address (advertised.listeners), and this host cannot reach it; fix it there, or DNS, or the network"
	}
	f.wrong(check, fault.Err.Error(), remedy)
}

// dial opens a connection as the service does and keeps the broker's certificates, nil without TLS.
func dial(ctx context.Context, k *connect.Kafka, address string) (*kafka.Conn, *tls.ConnectionState, error) {
	var state *tls.ConnectionState
	d := *k.Dialer
	d.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := k.Dialer.DialFunc(ctx, network, address)
		state = connect.TLSState(conn)
		return conn, err
	}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	return conn, state, conn.SetDeadline(time.Now().Add(connect.RequestTimeout))
}

// tls judges a successful handshake: the broker's certificate and its end.
func (f *findings) tls(state *tls.ConnectionState, cfg settings.TLS) {
	if state == nil || len(state.PeerCertificates) == 0 {
		f.ok("tls", "off")
		return
	}
	end := lasts(state)
	text := fmt.Sprintf("%s, certificate for %s, %s", tls.VersionName(state.Version), names(state.PeerCertificates[0]), until(end))
	if cfg.Verify == settings.VerifyChain {
		text += "; the name is not checked (KAFKA_TLS_VERIFY=chain)"
	}
	f.expiry("tls", text, end, "renew the broker's certificate, or the one that signed it; from then on no connection succeeds")
}

// lasts returns when the other side is no longer trusted: the end of the verified chain that lasts longest; a
// chain ends with the first of its certificates. What a server sends beside its chain, such as a root's old
// cross-signature, does not count. If the chains are not known, all that it sent counts.
func lasts(state *tls.ConnectionState) time.Time {
	chains := state.VerifiedChains
	if len(chains) == 0 {
		chains = [][]*x509.Certificate{state.PeerCertificates}
	}
	sooner := func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }
	var end time.Time
	for _, chain := range chains {
		if first := slices.MinFunc(chain, sooner).NotAfter; first.After(end) {
			end = first
		}
	}
	return end
}

// expiry is ok, a warning if a certificate ends soon, wrong if it has ended.
func (f *findings) expiry(check, text string, end time.Time, remedy string) {
	switch left := time.Until(end); {
	case left <= 0:
		f.wrong(check, text, remedy)
	case left < certificateNotice:
		f.warn(check, text, remedy)
	default:
		f.ok(check, "%s", text)
	}
}

// names returns the first few names of a certificate.
func names(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return cmp.Or(c.Subject.CommonName, "no name")
	}
	if len(all) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:3], ", "), len(all)-3)
	}
	return strings.Join(all, ", ")
}

func until(end time.Time) string {
	days := int(time.Until(end) / (24 * time.Hour))
	if time.Until(end) <= 0 {
		return "ended " + end.UTC().Format(time.DateOnly)
	}
	return fmt.Sprintf("ends %s, in %d days", end.UTC().Format(time.DateOnly), days)
}

// clientCertificate examines this side's certificate for mutual TLS.
func (p *doctor) clientCertificate() Report {
	c := p.settings.Kafka.TLS
	if c.CertFile == "" {
		return nil
	}
	f := &findings{area: Brokers, subject: "this client"}
	const check = "certificate"
	certificate, err := os.ReadFile(c.CertFile)
	if err != nil {
		f.wrong(check, "KAFKA_TLS_CERT_FILE: "+err.Error(), "fix the file")
		return f.list
	}
	key, err := os.ReadFile(c.KeyFile)
	if err != nil {
		f.wrong(check, "KAFKA_TLS_KEY_FILE: "+err.Error(), "fix the file")
		return f.list
	}
	pair, err := settings.ParseKeyPair(certificate, key)
	if err != nil {
		f.wrong(check, "KAFKA_TLS_CERT_FILE: "+err.Error(), "fix the files")
		return f.list
	}
	f.expiry(check, "for "+names(pair.Leaf)+", "+until(pair.Leaf.NotAfter), pair.Leaf.NotAfter,
		"put a renewed one into KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE; no restart is needed")
	return f.list
}
