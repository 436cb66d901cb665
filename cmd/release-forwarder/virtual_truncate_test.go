package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/testkit/platform"
)

// onDisk runs a test in a bubble, on brokers that keep their logs in a folder: they
// can be stopped and started again, at the same addresses. A read or write of a file
// does not hold up virtual time.
func onDisk(t *testing.T, test func(w *world)) {
	t.Helper()
	folder := t.TempDir()
	inVirtualTimeWith(t, 1, platform.Config{}, func(w *world) {
		w.folder = folder
		test(w)
	}, kfake.DataDir(folder), kfake.Ports(9001, 9002, 9003))
}

// truncate is what an unclean election does to partition 0: the brokers stop, its log
// loses all from an offset on, and when they are there again another one leads, in an
// epoch that is new.
func (w *world) truncate(to int64) {
	w.t.Helper()
	before := w.cluster.PartitionInfo(eventTopic, 0).Epoch
	w.cluster.Close()
	w.cut(to)
	w.openBrokers()
	w.raise(before + 1)
	w.renew()
}

func (w *world) cut(to int64) {
	w.t.Helper()
	end, err := cutLog(w.folder, 0, to)
	if err != nil {
		w.t.Fatal(err)
	}
	w.epochs.cut(0, end)
}

// cutLog shortens the log of a partition of the events, of which the brokers are
// stopped, and returns its new end. Its one segment is record batches, one after the
// other; those that reach the offset go. The snapshot beside it says where the log
// ended; without it the brokers read that from the log, and take the leader's epoch
// from the last batch.
func cutLog(folder string, partition int32, to int64) (end int64, err error) {
	dir := filepath.Join(folder, "partitions", fmt.Sprintf("%s-%d", eventTopic, partition))
	segment := filepath.Join(dir, "0.dat")
	log, err := os.ReadFile(segment)
	if err != nil {
		return 0, err
	}
	size := 0
	for size < len(log) {
		b := log[size:]
		first, length, last := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[23:])
		if int64(first)+int64(last) >= to {
			break
		}
		size, end = size+12+int(length), int64(first)+int64(last)+1
	}
	if err := os.Truncate(segment, int64(size)); err != nil {
		return 0, err
	}
	return end, os.Remove(filepath.Join(dir, "snapshot.json"))
}
