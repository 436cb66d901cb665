package main

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
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/telemetry"
)

// Files that are taken up without a restart: how a fault of theirs is counted, and
// that the platform's authorities are among them.

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

func TestASecretThatCannotBeParsedIsCountedWhileItStays(t *testing.T) {
	for setting, c := range map[string]struct{ good, bad, better string }{
		"UPSTREAM_APP_SECRET_FILE":  {secret, "one\ntwo\nthree\n", secret + "\nanother-secret\n"},
		"UPSTREAM_CREDENTIALS_FILE": {`{"*":{"app_secret":"` + secret + `"}}`, `{"*":{"app_secret":`, `{"*":{"app_secret":"` + secret + `","app_id":"op"}}`},
	} {
		t.Run(setting, func(t *testing.T) {
			file := mount(t, c.good)
			inVirtualTime(t, 1, func(w *world) {
				r := w.start("UPSTREAM_APP_SECRET", "", setting, file.name())
				count := func() string { return r.sample(reloadFailures(setting)) }
				time.Sleep(time.Minute)
				if n := count(); n != "0" {
					t.Errorf("%s failures of a good file", n)
				}
				file.swap(c.bad)
				time.Sleep(5 * time.Second)
				early := count()
				w.produce(0, event(1, 0)) // the last good one signs it
				w.until("the commit", w.allCommitted(1, 1))
				if later := count(); early == "0" || later == early {
					t.Errorf("%s failures after 5 s, then %s", early, later)
				}
				file.swap(c.better)
				time.Sleep(5 * time.Second)
				mended := count()
				time.Sleep(time.Minute)
				if n := count(); n != mended || r.sample(`release_forwarder_reloads_total{file="`+setting+`"}`) != "1" {
					t.Errorf("%s failures when it was mended, then %s", mended, n)
				}
				w.end(r)
			})
		})
	}
}

// A secret is signed with as it reads: a mark before it does not count, and a file with
// what nobody sees is not taken up.
func TestASecretSavedByAnEditorOnWindowsSignsAsItReads(t *testing.T) {
	for setting, form := range map[string]string{
		"UPSTREAM_APP_SECRET_FILE":  "\ufeff%s\r\n",
		"UPSTREAM_CREDENTIALS_FILE": "\ufeff{\"*\":{\"app_secret\":\"%s\"}}\r\n",
	} {
		t.Run(setting, func(t *testing.T) {
			file := mount(t, fmt.Sprintf(form, secret))
			inVirtualTime(t, 1, func(w *world) {
				r := w.start("UPSTREAM_APP_SECRET", "", setting, file.name())
				w.produce(0, event(1, 0))
				w.until("the first", w.allCommitted(1, 1))
				file.swap(fmt.Sprintf(form, secret+"\u200b"))
				time.Sleep(10 * time.Second)
				w.produce(0, event(2, 0)) // the last good one signs it
				w.until("the second", w.allCommitted(1, 2))
				if log := w.log.String(); !strings.Contains(log, "holds U+200B at byte ") || strings.Contains(log, secret) {
					t.Error("the log does not say what is wrong with the file, or holds the secret")
				}
				if n := r.sample(reloadFailures(setting)); n == "0" {
					t.Error("no failure is counted")
				}
				w.end(r)
			})
		})
	}
}

// One file may be that of several settings, each of which watches it for itself: what
// happens to it counts once for each.
func TestAFileOfTwoSettingsCountsOnceForEach(t *testing.T) {
	file := mount(t, stranger(t))
	inVirtualTime(t, 1, func(w *world) {
		r := w.start("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_CA_FILE", file.name(), "UPSTREAM_TLS_CA_FILE", file.name())
		time.Sleep(time.Minute)
		file.swap(stranger(t))
		time.Sleep(time.Minute)
		for _, setting := range telemetry.ReloadedFiles {
			want := "0"
			if strings.HasSuffix(setting, "_TLS_CA_FILE") {
				want = "1"
			}
			if n := r.sample(`release_forwarder_reloads_total{file="` + setting + `"}`); n != want {
				t.Errorf("%s reloads of %s, want %s", n, setting, want)
			}
		}
		file.swap("half wri")
		time.Sleep(3 * time.Second) // one look: it is every 2 s
		before := r.sample(reloadFailures("UPSTREAM_TLS_CA_FILE"))
		time.Sleep(20 * time.Second)
		if n := r.sample(reloadFailures("UPSTREAM_TLS_CA_FILE")); before == "0" || sampled(t, n) != sampled(t, before)+10 {
			t.Errorf("%s failures, 20 s later %s, with one look every 2 s", before, n)
		}
		w.end(r)
	})
}

func TestThePlatformsAuthoritiesInASwappedFolderAreTakenUp(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate alone
	defer certified.Close()
	right := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw}))
	file := mount(t, stranger(t))
	inVirtualTime(t, 1, func(w *world) {
		l, err := w.net.Listen("tcp", "127.0.0.1:443")
		if err != nil {
			t.Fatal(err)
		}
		// Handshakes that fail are no news here.
		server := &http.Server{Handler: w.platform, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go server.Serve(tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates}))
		defer server.Close()
		r := w.start("UPSTREAM_URL", "https://127.0.0.1:443/gate", "UPSTREAM_TLS_CA_FILE", file.name())
		w.produce(0, event(1, 0))
		time.Sleep(time.Minute)
		file.swap("half wri")
		time.Sleep(time.Minute)
		if n := w.platform.Stats().Accepted; n != 0 {
			t.Errorf("%d accepted of a platform that is not trusted", n)
		}
		if n := r.sample(reloadFailures("UPSTREAM_TLS_CA_FILE")); n == "0" {
			t.Error("the broken file is not counted")
		}
		file.swap(right)
		// 5 s, and the backoff of the record that waits.
		w.until("the acceptance", func() bool { return w.platform.Stats().Accepted == 1 }, 35*time.Second)
		w.end(r)
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
