package acceptance

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// table gathers what the cases of Kafka's own evidence found.
type table struct {
	mu   sync.Mutex
	rows [][4]string // guarded by mu
}

var evidence table

// add notes a case; happened may be a test's name.
func (e *table) add(happened, who, said, lost string) {
	happened = strings.ReplaceAll(happened[strings.LastIndexByte(happened, '/')+1:], "_", " ")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rows = append(e.rows, [4]string{happened, who, said, lost})
}

// finish prints this run's table, into evidence-BACKEND.txt beside the results too;
// nothing where no such case ran.
func (e *table) finish(w io.Writer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	dir, err := resultsDir()
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "evidence-"+kafka.name()+".txt")
	if len(e.rows) == 0 {
		_ = os.Remove(name) // an older run's
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	text := tabwriter.NewWriter(io.MultiWriter(w, file), 0, 0, 2, ' ', 0)
	fmt.Fprintln(text, "\nwhat happened\twho noticed\twhat was said\tlost")
	// Cases run at once: by name, so that two runs' tables can be compared.
	slices.SortStableFunc(e.rows, func(a, b [4]string) int { return strings.Compare(a[0], b[0]) })
	for _, r := range e.rows {
		fmt.Fprintf(text, "%s\t%s\t%s\t%s\n", r[0], r[1], r[2], r[3])
	}
	return text.Flush()
}
