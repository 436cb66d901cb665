package simulation

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// append adds a report to the ledger, and prints the ledger.
func (r *report) append(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "%s  commit %s, seeds from %d: %s\n\n", time.Now().UTC().Format(time.RFC3339), *simulateCommit, *simulateFrom, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s\n%s", name, ledger)
}
