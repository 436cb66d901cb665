package kafkalogs

import (
	"time"

	"github.com/segmentio/kafka-go/compress"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// realLog is a log as brokers really hold them, and what the service makes of
// it. Its event at offset o is event(o, 0).
type realLog struct {
	name string
	log  func() *apptest.CraftedLog
	from int64 // the group's commit before the start; 0: none
	// want are the offsets that the platform must accept, each once, and commit
	// is what is committed in the end: 0 lag, unless the case says otherwise.
	want   []int64
	commit int64
	// refused are events too, in a format that the service does not read.
	refused []int64
	// said is what the log must say, "" nothing above info.
	said string
	// ours is what the service does, for the page.
	ours string
	// dies says that kafka-go's Reader takes the process down with it.
	dies bool
}

const (
	each    = "sends each event once, lag reaches 0"
	goesOn  = "tries again indefinitely, others go on, an error says where and what, lag grows; docs/how-to/night/skip-one-record.md has the way on"
	cannot  = "the log cannot be read here"
	dropped = "Kafka dropped records before they could be read"
)

// realLogs are the hand-made logs that TestRealLogs and the page go through.
var realLogs = []realLog{
	{
		name: "a committed transaction", ours: each + "; the marker is passed over", want: []int64{0, 1, 3}, commit: 4,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.CompressedBatch(compress.None, apptest.InTransaction, 1, 0, 1), apptest.TransactionMarker(2, true), apptest.EventBatch(3, 3))
		},
	},
	{
		name: "an aborted transaction", ours: "sends none of it; " + each, want: []int64{3}, commit: 4,
		log: func() *apptest.CraftedLog {
			l := apptest.NewCraftedLog(apptest.CompressedBatch(compress.None, apptest.InTransaction, 1, 0, 1), apptest.TransactionMarker(2, false), apptest.EventBatch(3, 3))
			l.Aborted = []int64{0}
			return l
		},
	},
	{
		name: "an open transaction", ours: "stops before it, and commits up to it", want: []int64{0}, commit: 1,
		log: func() *apptest.CraftedLog {
			l := apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.CompressedBatch(compress.None, apptest.InTransaction, 2, 1, 2))
			l.LastStable = 1
			return l
		},
	},
	{
		name: "control batches at the log's end", ours: each, want: []int64{0}, commit: 3,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.TransactionMarker(1, true), apptest.TransactionMarker(2, false))
		},
	},
	{
		name: "a batch that begins before the offset asked for", ours: "passes over what is done; " + each, from: 2, want: []int64{2, 3}, commit: 4,
		log: func() *apptest.CraftedLog { return apptest.NewCraftedLog(apptest.EventBatch(3, 0, 1, 2, 3)) },
	},
	{
		name: "compaction: a gap inside a batch", ours: each, want: []int64{0, 4, 9, 10}, commit: 11,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(9, 0, 4, 9), apptest.EventBatch(10, 10))
		},
	},
	{
		name: "compaction: a gap at a batch's tail", ours: each, want: []int64{0, 1, 10}, commit: 11,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(9, 0, 1), apptest.EventBatch(10, 10))
		},
	},
	{
		name: "compaction: a gap at the tail of the log's last batch", ours: each, want: []int64{0, 1}, commit: 10,
		log: func() *apptest.CraftedLog { return apptest.NewCraftedLog(apptest.EventBatch(9, 0, 1)) },
	},
	{
		name: "compaction: a gap at a compressed batch's tail", ours: each, want: []int64{0, 1, 10}, commit: 11,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.CompressedBatch(compress.Gzip, 0, 9, 0, 1), apptest.EventBatch(10, 10))
		},
	},
	{
		name: "compaction: a gap at the tail of the log's last batch, compressed", ours: each, want: []int64{0, 1}, commit: 10,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.CompressedBatch(compress.Gzip, 0, 9, 0, 1))
		},
	},
	{
		name: "compaction: batches are missing", ours: each, want: []int64{0, 50}, commit: 51,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.EventBatch(50, 50))
		},
	},
	{
		name: "an empty batch between others", ours: each, want: []int64{0, 5}, commit: 6,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.EmptyBatch(1, 4), apptest.EventBatch(5, 5))
		},
	},
	{
		name: "two empty batches in a row", ours: each, want: []int64{0, 9}, commit: 10, dies: true,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.EmptyBatch(1, 4), apptest.EmptyBatch(5, 8), apptest.EventBatch(9, 9))
		},
	},
	{
		name: "an empty batch at the log's end", ours: each, want: []int64{0, 1, 2}, commit: 6,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(2, 0, 1, 2), apptest.EmptyBatch(3, 5))
		},
	},
	{
		name: "an answer that ends inside a batch", ours: "takes what is whole and asks again; " + each, want: []int64{0, 1, 2, 3}, commit: 4,
		log: func() *apptest.CraftedLog {
			l := apptest.NewCraftedLog(apptest.EventBatch(1, 0, 1), apptest.EventBatch(3, 2, 3))
			l.PartialAnswers = true
			return l
		},
	},
	{
		name: "a message of magic 0, before Kafka 0.11", ours: "refuses the format; the partition stops before it and " + goesOn, want: []int64{0}, commit: 1, refused: []int64{1, 2}, said: "message format v0, of before Kafka 0.11",
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.OldMessage(0, 1), apptest.EventBatch(2, 2))
		},
	},
	{
		name: "a message of magic 1, before Kafka 0.11", ours: "the same", want: []int64{0}, commit: 1, refused: []int64{1, 2}, said: "message format v1, of before Kafka 0.11",
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.OldMessage(1, 1), apptest.EventBatch(2, 2))
		},
	},
	{
		name: "messages of before Kafka 0.11 that a person has passed over", ours: "goes on behind them; " + each, from: 3, want: []int64{3}, commit: 4,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.OldMessage(0, 1), apptest.OldMessage(1, 2), apptest.EventBatch(3, 3))
		},
	},
	{
		name: "each codec: gzip, snappy, lz4, zstd", ours: each, want: []int64{0, 1, 2, 3, 4, 5, 6, 7}, commit: 8,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.CompressedBatch(compress.Gzip, 0, 1, 0, 1), apptest.CompressedBatch(compress.Snappy, 0, 3, 2, 3), apptest.CompressedBatch(compress.Lz4, 0, 5, 4, 5), apptest.CompressedBatch(compress.Zstd, 0, 7, 6, 7))
		},
	},
	{
		name: "a batch whose checksum does not fit its bytes", ours: "sends nothing of it; the partition stops before it and " + goesOn, want: []int64{0}, commit: 1, said: cannot,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.Corrupted(apptest.EventBatch(1, 1)), apptest.EventBatch(2, 2))
		},
	},
	{
		name: "a small batch whose record unpacks to a thousand times its size", ours: "takes no more than 32 MiB of it; the partition stops before it and " + goesOn,
		want: []int64{0}, commit: 1, said: cannot,
		log: func() *apptest.CraftedLog {
			return apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.DecompressionBomb(1, 40<<20), apptest.EventBatch(2, 2))
		},
	},
	{
		name: "retention has overtaken the position", ours: "counts and logs what is missing (5 to 10), goes on at the first record there is", from: 5, want: []int64{10, 11}, commit: 12, said: dropped,
		log: func() *apptest.CraftedLog {
			l := apptest.NewCraftedLog(apptest.EventBatch(11, 10, 11))
			l.Start = 10
			return l
		},
	},
	{
		name: "the position is above the log's end (truncated, or recreated and smaller)", ours: "no leader epoch shows it (the commit has none): believes it after 30s; counts and logs what is missing (3 to 50), goes on at the first record there is",
		from: 50, want: []int64{0, 1, 2}, commit: 3, said: apptest.AnotherLogLine,
		log: func() *apptest.CraftedLog { return apptest.NewCraftedLog(apptest.EventBatch(2, 0, 1, 2)) },
	},
	{
		name: "a throttling broker (a quota: it asks for 5s of silence)", ours: "leaves it alone as long as it asks; goes on by itself", want: nil, commit: 0,
		log: func() *apptest.CraftedLog {
			l := apptest.NewCraftedLog(apptest.EventBatch(2, 0, 1, 2))
			l.Throttle = 5 * time.Second
			return l
		},
	},
}
