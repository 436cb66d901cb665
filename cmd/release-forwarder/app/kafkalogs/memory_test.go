package kafkalogs

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

const mib = 1 << 20

// live is how many bytes of memory are in use after one collection. What lies in pools then still counts, so that it is
// more than apptest.HeapInUse gives.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// ownGoroutines counts all but those that began in net/http, where each idle
// connection has some at both ends, and in the embedded Kafka.
func ownGoroutines() (n int) {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		panic(err)
	}
	_, stacks, _ := strings.Cut(b.String(), "\n")
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		lines := strings.Split(strings.TrimSpace(stack), "\n")
		var many int
		if _, err := fmt.Sscanf(lines[0], "%d @", &many); err != nil {
			continue // the profile's empty end
		}
		if began := lines[len(lines)-1]; !strings.Contains(began, "net/http.") && !strings.Contains(began, "kfake.") {
			n += many
		}
	}
	return n
}

// wide is a log of events of size bytes, one in each batch.
func wide(events, size int) *apptest.CraftedLog {
	l := &apptest.CraftedLog{}
	for o := range int64(events) {
		value := append(apptest.EventAt(o), bytes.Repeat([]byte{' '}, size-len(apptest.EventAt(o)))...)
		l.Batches = append(l.Batches, apptest.ValueBatch(compress.None, 0, o, nil, map[int64][]byte{o: value}, o))
	}
	l.End = int64(events)
	return l
}

// Unfinished records keep to the bounds of memory, and cost no goroutine each, whatever the log holds.
func TestPendingMemoryStaysWithinItsBounds(t *testing.T) {
	for _, c := range []struct {
		name       string
		partitions int32
		log        *apptest.CraftedLog
		pending    int   // at most, of all partitions
		memory     int64 // at most, beside what the test itself holds
	}{
		// Each partition has room for one record, whatever its share.
		{"100 partitions, records of 1 MiB", 100, wide(4, mib), 100, 100*mib + 32*mib},
		{"one partition, records of 1 MiB", 1, wide(40, mib), 12, 12*mib + 32*mib},
		// Three quarters of 16 MiB, 1,536 bytes each with what a record costs.
		{"100 partitions, records of 1 KiB", 100, wide(2000, 1<<10), 12 * mib / 1536, 48 * mib},
		{"one partition, records of 1 KiB", 1, wide(9000, 1<<10), 4096, 48 * mib},
	} {
		t.Run(c.name, func(t *testing.T) {
			apptest.InVirtualTime(t, c.partitions, func(w *apptest.World) {
				w.FailFlows(func(string) bool { return true })
				logs := make([]*apptest.CraftedLog, c.partitions)
				for i := range logs {
					logs[i] = &apptest.CraftedLog{End: c.log.End, Batches: c.log.Batches}
				}
				w.ServeLogs(logs...)
				before, goroutines := live(), ownGoroutines()
				r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "64")
				time.Sleep(time.Minute) // a record of each partition has failed, then it reads up to its bounds
				for range 3 {
					time.Sleep(time.Minute)
					s := r.Snapshot().Engine
					if s.Pending > c.pending || s.Pending < c.pending*9/10 {
						t.Errorf("%d pending, want %d at most, and no less than nine tenths of it", s.Pending, c.pending)
					}
					if n := live() - before; n > c.memory {
						t.Errorf("%d MiB are in use, want %d at most", n/mib, c.memory/mib)
					}
					// One for each request that may be in flight, and what a process has
					// once: neither partitions nor records have one of their own.
					if n := ownGoroutines() - goroutines; n > 64+60 {
						t.Errorf("%d goroutines more, want 64 for requests and 60 at most", n)
					}
				}
				w.End(r)
				apptest.EndLongPolls()
			})
		})
	}
}

// A batch that unpacks to a thousand times its size takes 32 MiB at most and stops no other partition.
//
// Of two small batches one holds a single record of 40 MiB of blanks, the other 5,000 events of which each unpacks to
// 1 KiB.
func TestABatchThatUnpacksToMuchTakesLittleMemory(t *testing.T) {
	const many = 5000
	var offsets []int64
	values := map[int64][]byte{}
	for o := range int64(many) {
		offsets = append(offsets, o)
		values[o] = append([]byte(apptest.Event(int(o)+10, 0)), bytes.Repeat([]byte{' '}, 1<<10)...)
	}
	bomb := apptest.NewCraftedLog(apptest.ValueBatch(compress.Zstd, 0, 0, nil, map[int64][]byte{0: append(apptest.EventAt(0), bytes.Repeat([]byte{' '}, 40*mib)...)}, 0), apptest.EventBatch(1, 1))
	packed := apptest.NewCraftedLog(apptest.ValueBatch(compress.Zstd, 0, many-1, nil, values, offsets...))
	if size := len(bomb.Batches[0].Bytes); size > 40*mib/1000 {
		t.Fatalf("the bomb has %d bytes: it does not unpack to a thousand times that", size)
	}
	apptest.InVirtualTime(t, 2, func(w *apptest.World) {
		w.ServeLogs(bomb, packed)
		before := live()
		r := w.Start()
		most := int64(0)
		w.Until("all of the many", func() bool {
			most = max(most, live()-before)
			return w.Committed(1) == many
		}, 10*time.Minute)
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		time.Sleep(time.Minute)
		runtime.ReadMemStats(&m1)
		w.End(r)
		if at := w.Committed(0); at != 0 {
			t.Errorf("committed %d over the bomb", at)
		}
		if most > 32*mib {
			t.Errorf("%d MiB were in use at one time", most/mib)
		}
		// It is tried some thirty times a minute: 40 MiB each would be 1.2 GiB.
		if n := m1.TotalAlloc - m0.TotalAlloc; n > 60*mib {
			t.Errorf("%d MiB allocated in a minute in which only the bomb was tried", n/mib)
		}
		apptest.EndLongPolls()
	})
}
