package apptest

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CraftedLog is a partition's log that a test has made. What changes while it is served, changes under Mu (Update).
type CraftedLog struct {
	Mu         sync.Mutex
	Start      int64 // the first offset; below it all is deleted
	End        int64 // the offset after the last one
	Batches    []RawBatch
	Epoch      int32   // the leader epoch of what GrowTo appends; -1: unknown, as of old messages
	LastStable int64   // the last stable offset, where it is below End; else 0
	Aborted    []int64 // first offsets of the producer's aborted transactions

	// What its leader does.
	PartialAnswers bool          // answers end within their last batch, unless it is their first
	LaggingEnd     int64         // above 0: the leader answers that the log ends here
	Throttle       time.Duration // above 0: it answers with no record and asks for so long a silence

	// Each fetch of the log so far: when, and from which offset.
	FetchTimes   []time.Time
	FetchOffsets []int64
}

// Attributes of a batch.
const (
	// InTransaction is the attribute of a batch within the producer's transaction.
	InTransaction = 0x10
	isMarker      = 0x20
	producerID    = 7 // the one producer of crafted logs
)

// NewCraftedLog is a log of these batches, whose first offset is 0 and whose end lies after the last batch.
func NewCraftedLog(pieces ...RawBatch) *CraftedLog {
	return &CraftedLog{End: pieces[len(pieces)-1].last + 1, Batches: pieces}
}

// Update changes the log while it is served.
func (l *CraftedLog) Update(to func()) {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	to()
}

// GrowTo appends the event (EventAt) at each offset from End on, so that End is to. Each lies in a batch of its own, of
// the leader epoch Epoch.
func (l *CraftedLog) GrowTo(to int64) {
	l.Update(func() {
		for ; l.End < to; l.End++ {
			l.Batches = append(l.Batches, EventBatch(l.End, l.End).withEpoch(l.Epoch))
		}
	})
}

// Fetches counts the fetches of the log so far.
func (l *CraftedLog) Fetches() int {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	return len(l.FetchTimes)
}

// ServeLogs puts crafted logs in the place of the event topic's partitions, from 0 on; there must be one for each. Who
// leads a partition, and in which epoch, is still the cluster's. They are not written to: only GrowTo appends. Call
// EndLongPolls before the test ends.
func (w *World) ServeLogs(logs ...*CraftedLog) {
	w.Epochs.crafted.Store(true)
	w.Cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		for _, l := range logs {
			l.note(req, logs)
		}
		resp, nothing := w.answerOf(req, logs)
		if nothing {
			w.Cluster.SleepControl(func() { time.Sleep(time.Duration(req.MaxWaitMillis) * time.Millisecond) })
			resp, _ = w.answerOf(req, logs)
		} else if n := logs[0].Fetches(); n > 300 {
			// A reader that spins would keep virtual time from passing.
			w.Cluster.SleepControl(func() { time.Sleep(10 * time.Millisecond) })
		}
		return resp, nil, true
	})
	w.Cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		return w.boundsOf(r.(*kmsg.ListOffsetsRequest), logs), nil, true
	})
	w.Cluster.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		return w.epochsOf(r.(*kmsg.OffsetForLeaderEpochRequest), logs), nil, true
	})
}

// led gives the event topic's partitions as they are led, by number.
func (w *World) led() []*kfake.PartitionInfo { return w.Cluster.PartitionInfos(EventTopic) }

// refuses is the error of the broker that was asked, where it does not lead the
// partition, or not in the epoch that the client names (KIP-320).
func (w *World) refuses(p *kfake.PartitionInfo, epoch int32) int16 {
	switch {
	case p.Leader != w.Cluster.CurrentNode():
		return kerr.NotLeaderForPartition.Code
	case epoch >= 0 && epoch < p.Epoch:
		return kerr.FencedLeaderEpoch.Code
	case epoch > p.Epoch:
		return kerr.UnknownLeaderEpoch.Code
	}
	return 0
}

// note remembers a fetch of the log, but for the one by which the service asks
// at its start whether it may read.
func (l *CraftedLog) note(req *kmsg.FetchRequest, logs []*CraftedLog) {
	if req.MaxBytes == 1 {
		return
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if logs[p.Partition] == l {
				l.Mu.Lock()
				l.FetchTimes = append(l.FetchTimes, time.Now())
				l.FetchOffsets = append(l.FetchOffsets, p.FetchOffset)
				l.Mu.Unlock()
			}
		}
	}
}

// answerOf answers a fetch; nothing is true where there is no record to send yet.
func (w *World) answerOf(req *kmsg.FetchRequest, logs []*CraftedLog) (_ *kmsg.FetchResponse, nothing bool) {
	led := w.led()
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	nothing = true
	left := int(req.MaxBytes)
	for _, t := range req.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID // the one or the other, as the version has it
		for _, p := range t.Partitions {
			l := logs[p.Partition]
			l.Mu.Lock()
			part := l.answer(p.FetchOffset, req.IsolationLevel == 1, min(left, int(p.PartitionMaxBytes)), left == int(req.MaxBytes))
			epoch, end := l.epochEnd(led[p.Partition].Epoch, p.LastFetchedEpoch)
			if code := w.refuses(led[p.Partition], p.CurrentLeaderEpoch); code != 0 {
				part.RecordBatches, part.ErrorCode = nil, code
			} else if req.Version >= 12 && p.LastFetchedEpoch >= 0 && (epoch != p.LastFetchedEpoch || end < p.FetchOffset) {
				part.RecordBatches, part.ErrorCode = nil, 0
				part.DivergingEpoch.Epoch, part.DivergingEpoch.EndOffset = epoch, end
			}
			if l.Throttle > 0 {
				part.RecordBatches = nil
				resp.ThrottleMillis = max(resp.ThrottleMillis, int32(l.Throttle.Milliseconds()))
			}
			l.Mu.Unlock()
			left -= len(part.RecordBatches)
			part.Partition = p.Partition
			nothing = nothing && part.ErrorCode == 0 && part.DivergingEpoch.EndOffset < 0 && len(part.RecordBatches) == 0 && resp.ThrottleMillis == 0
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp, nothing
}

// answer holds whole batches up to a number of bytes; one always where it is the
// first of the whole answer.
func (l *CraftedLog) answer(from int64, committed bool, most int, first bool) kmsg.FetchResponseTopicPartition {
	part := kmsg.NewFetchResponseTopicPartition()
	end := l.End
	if l.LaggingEnd > 0 {
		end = l.LaggingEnd
	}
	part.HighWatermark, part.LastStableOffset, part.LogStartOffset = end, end, l.Start
	if l.LastStable > 0 {
		part.LastStableOffset = l.LastStable
	}
	if from < l.Start || from > end {
		part.ErrorCode = kerr.OffsetOutOfRange.Code
		return part
	}
	if committed {
		end = part.LastStableOffset
	}
	for i, p := range l.Batches {
		if p.last < from || p.last >= end {
			continue
		}
		b := p.Bytes
		if l.PartialAnswers && i == len(l.Batches)-1 && len(part.RecordBatches) > 0 {
			b = b[:len(b)-10]
		}
		if len(part.RecordBatches)+len(b) > most && (!first || len(part.RecordBatches) > 0) {
			break
		}
		part.RecordBatches = append(part.RecordBatches, b...)
	}
	for _, first := range l.Aborted {
		part.AbortedTransactions = append(part.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: producerID, FirstOffset: first})
	}
	return part
}

// boundsOf answers a request for first or last offsets.
func (w *World) boundsOf(req *kmsg.ListOffsetsRequest, logs []*CraftedLog) kmsg.Response {
	led := w.led()
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			l := logs[p.Partition]
			part := kmsg.NewListOffsetsResponseTopicPartition()
			part.Partition = p.Partition
			l.Mu.Lock()
			part.Offset = l.Start
			if p.Timestamp == -1 {
				part.Offset = l.End
				if l.LaggingEnd > 0 {
					part.Offset = l.LaggingEnd
				}
			}
			l.Mu.Unlock()
			if code := w.refuses(led[p.Partition], p.CurrentLeaderEpoch); code != 0 {
				part.ErrorCode, part.Offset = code, -1
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// epochsOf answers a request for the ends of leader epochs.
func (w *World) epochsOf(req *kmsg.OffsetForLeaderEpochRequest, logs []*CraftedLog) kmsg.Response {
	resp, led := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse), w.led()
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			part.Partition = p.Partition
			if part.ErrorCode = w.refuses(led[p.Partition], p.CurrentLeaderEpoch); part.ErrorCode == 0 {
				l := logs[p.Partition]
				l.Mu.Lock()
				part.LeaderEpoch, part.EndOffset = l.epochEnd(led[p.Partition].Epoch, p.LeaderEpoch)
				l.Mu.Unlock()
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// epochEnd is Kafka's own rule: the largest epoch that is not above the one asked for,
// and where the next one begins. It knows the log's own end, also where the leader lags.
func (l *CraftedLog) epochEnd(leads, asked int32) (epoch int32, end int64) {
	if asked > leads || asked < 0 {
		return -1, -1
	}
	epoch = -1
	for _, p := range l.Batches {
		switch e := p.epoch(); {
		case e > asked && epoch < 0:
			return asked, p.first()
		case e > asked:
			return epoch, p.first()
		case e >= 0:
			epoch = e
		}
	}
	if epoch < 0 || asked == leads {
		epoch = asked
	}
	return epoch, l.End
}
