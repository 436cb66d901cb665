package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// authorities are one that the test made, and one of Mozilla's list.
func authorities(t *testing.T) (made, known *x509.Certificate) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	if made, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	for root := range bundle.Roots() {
		if known, err = x509.ParseCertificate(root.Certificate); err == nil && root.Constraint == nil && time.Now().Before(known.NotAfter) {
			return made, known
		}
	}
	t.Fatal("no authority of the list is valid")
	return nil, nil
}

// Certificates of public authorities are trusted where the system has none (an image with nothing but the binary).
//
// The test runs itself as a process that has no certificates: they are read once for each process.
func TestTrustsWithoutASystem(t *testing.T) {
	if os.Getenv("SSL_CERT_DIR") != "/nonexistent" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTrustsWithoutASystem$", "-test.v")
		again.Env = append(os.Environ(), "SSL_CERT_FILE=/nonexistent", "SSL_CERT_DIR=/nonexistent")
		out, err := again.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestTrustsWithoutASystem") {
			t.Fatalf("without the system's certificates: %v\n%s", err, out)
		}
		return
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if pool.Equal(x509.NewCertPool()) {
		t.Fatal("no authority is trusted where the system has none: https to the platform cannot work")
	}
	made, other := authorities(t)
	if _, err := made.Verify(x509.VerifyOptions{}); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("a certificate that anybody can make: %v", err)
	}
	if _, err := other.Verify(x509.VerifyOptions{}); err != nil {
		t.Errorf("a certificate of Mozilla's list: %v", err)
	}
}
