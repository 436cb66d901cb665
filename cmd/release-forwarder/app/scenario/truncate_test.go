package scenario

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// onDisk runs a test in a bubble, on brokers that keep their logs in a folder: they
// can be stopped and started again, at the same addresses. A read or write of a file
// does not hold up virtual time.
func onDisk(t *testing.T, test func(w *world)) {
	t.Helper()
	folder := t.TempDir()
	inVirtualTimeWith(t, 1, platform.Config{}, func(w *world) {
		w.Folder = folder
		test(w)
	}, kfake.DataDir(folder), kfake.Ports(9001, 9002, 9003))
}

// truncate is what an unclean election does to partition 0: the brokers stop, its log
// loses all from an offset on, and when they are there again another one leads, in an
// epoch that is new.
func (w *world) truncate(to int64) {
	w.T.Helper()
	before := w.Cluster.PartitionInfo(apptest.EventTopic, 0).Epoch
	w.Cluster.Close()
	w.cut(to)
	w.OpenBrokers()
	w.Raise(before + 1)
	w.renew()
}

func (w *world) cut(to int64) {
	w.T.Helper()
	end, err := apptest.CutLog(w.Folder, 0, to)
	if err != nil {
		w.T.Fatal(err)
	}
	w.Epochs.Cut(0, end)
}
