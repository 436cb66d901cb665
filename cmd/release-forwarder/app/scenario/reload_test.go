package scenario

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/telemetry"
)

// Files that are reloaded without a restart: how their faults are counted, and that the platform's authorities are
// among them.

func reloadFailures(file string) string {
	return `release_forwarder_reload_failures_total{file="` + file + `"}`
}

func sampled(t *testing.T, sample string) int {
	t.Helper()
	n, err := strconv.Atoi(sample)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A secret file that cannot be parsed is counted while it stays so; the last good secret signs.
func TestASecretThatCannotBeParsedIsCounted(t *testing.T) {
	for setting, c := range map[string]struct{ good, bad, better string }{
		"UPSTREAM_APP_SECRET_FILE":  {apptest.Secret, "one\ntwo\nthree\n", apptest.Secret + "\nanother-secret\n"},
		"UPSTREAM_CREDENTIALS_FILE": {`{"*":{"app_secret":"` + apptest.Secret + `"}}`, `{"*":{"app_secret":`, `{"*":{"app_secret":"` + apptest.Secret + `","app_id":"op"}}`},
	} {
		t.Run(setting, func(t *testing.T) {
			file := apptest.MountFile(t, c.good)
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start("UPSTREAM_APP_SECRET", "", setting, file.Name())
				count := func() string { return r.Sample(reloadFailures(setting)) }
				time.Sleep(time.Minute)
				if n := count(); n != "0" {
					t.Errorf("%s failures of a good file", n)
				}
				file.Swap(c.bad)
				time.Sleep(5 * time.Second)
				early := count()
				w.Produce(0, apptest.Event(1, 0)) // the last good one signs it
				w.Until("the commit", w.AllCommitted(1, 1))
				if later := count(); early == "0" || later == early {
					t.Errorf("%s failures after 5 s, then %s", early, later)
				}
				file.Swap(c.better)
				time.Sleep(5 * time.Second)
				fixed := count()
				time.Sleep(time.Minute)
				if n := count(); n != fixed || r.Sample(`release_forwarder_reloads_total{file="`+setting+`"}`) != "1" {
					t.Errorf("%s failures when it was fixed, then %s", fixed, n)
				}
				w.End(r)
			})
		})
	}
}

// A secret file saved by an editor on Windows is read without its byte order mark and line end.
//
// A file that holds invisible characters is not loaded.
func TestASecretSavedOnWindowsIsRead(t *testing.T) {
	for setting, form := range map[string]string{
		"UPSTREAM_APP_SECRET_FILE":  "\ufeff%s\r\n",
		"UPSTREAM_CREDENTIALS_FILE": "\ufeff{\"*\":{\"app_secret\":\"%s\"}}\r\n",
	} {
		t.Run(setting, func(t *testing.T) {
			file := apptest.MountFile(t, fmt.Sprintf(form, apptest.Secret))
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start("UPSTREAM_APP_SECRET", "", setting, file.Name())
				w.Produce(0, apptest.Event(1, 0))
				w.Until("the first", w.AllCommitted(1, 1))
				file.Swap(fmt.Sprintf(form, apptest.Secret+"\u200b"))
				time.Sleep(10 * time.Second)
				w.Produce(0, apptest.Event(2, 0)) // the last good one signs it
				w.Until("the second", w.AllCommitted(1, 2))
				if log := w.Log.String(); !strings.Contains(log, "holds U+200B at byte ") || strings.Contains(log, apptest.Secret) {
					t.Error("the log does not say what is wrong with the file, or holds the secret")
				}
				if n := r.Sample(reloadFailures(setting)); n == "0" {
					t.Error("no failure is counted")
				}
				w.End(r)
			})
		})
	}
}

// A change of a file that two settings name is counted once for each.
//
// Each setting watches the file for itself.
func TestAFileOfTwoSettingsCountsOnceForEach(t *testing.T) {
	file := apptest.MountFile(t, stranger(t))
	inVirtualTime(t, 1, func(w *world) {
		w.Net.Refuse = func(string) error { return syscall.ECONNREFUSED } // the embedded Kafka takes a TLS greeting for a length of 369 MB
		r := w.Start("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_CA_FILE", file.Name(), "UPSTREAM_TLS_CA_FILE", file.Name())
		time.Sleep(time.Minute)
		file.Swap(stranger(t))
		time.Sleep(time.Minute)
		for _, setting := range telemetry.ReloadedFiles {
			want := "0"
			if strings.HasSuffix(setting, "_TLS_CA_FILE") {
				want = "1"
			}
			if n := r.Sample(`release_forwarder_reloads_total{file="` + setting + `"}`); n != want {
				t.Errorf("%s reloads of %s, want %s", n, setting, want)
			}
		}
		file.Swap("half wri")
		time.Sleep(3 * time.Second) // one look: it is every 2 s
		before := r.Sample(reloadFailures("UPSTREAM_TLS_CA_FILE"))
		time.Sleep(20 * time.Second)
		if n := r.Sample(reloadFailures("UPSTREAM_TLS_CA_FILE")); before == "0" || sampled(t, n) != sampled(t, before)+10 {
			t.Errorf("%s failures, 20 s later %s, with one look every 2 s", before, n)
		}
		w.End(r)
	})
}

// UPSTREAM_TLS_CA_FILE is reloaded without a restart, also where its folder is swapped as in Kubernetes.
func TestUpstreamTLSCAFileIsReloaded(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate alone
	defer certified.Close()
	right := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw}))
	file := apptest.MountFile(t, stranger(t))
	inVirtualTime(t, 1, func(w *world) {
		l, err := w.Net.Listen("tcp", "127.0.0.1:443")
		if err != nil {
			t.Fatal(err)
		}
		// Handshakes that fail are no news here.
		server := &http.Server{Handler: w.Platform, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go server.Serve(tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates}))
		defer server.Close()
		r := w.Start("UPSTREAM_URL", "https://127.0.0.1:443/gate", "UPSTREAM_TLS_CA_FILE", file.Name())
		w.Produce(0, apptest.Event(1, 0))
		time.Sleep(time.Minute)
		file.Swap("half wri")
		time.Sleep(time.Minute)
		if n := w.Platform.Stats().Accepted; n != 0 {
			t.Errorf("%d accepted of a platform that is not trusted", n)
		}
		if n := r.Sample(reloadFailures("UPSTREAM_TLS_CA_FILE")); n == "0" {
			t.Error("the broken file is not counted")
		}
		file.Swap(right)
		// 5 s, and the backoff of the record that waits.
		w.Until("the acceptance", func() bool { return w.Platform.Stats().Accepted == 1 }, 35*time.Second)
		w.End(r)
	})
}

// stranger is an authority that signed nothing.
func stranger(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().AddDate(50, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}
