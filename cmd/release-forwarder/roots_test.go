package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestTrustsWithoutASystem runs itself as a process that has no certificates:
// they are read once for each process.
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
}
