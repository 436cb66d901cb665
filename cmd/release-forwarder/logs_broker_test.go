package main

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handLog is a partition's log made by hand. What a test changes while it is
// served, it changes under mu.
type handLog struct {
	mu         sync.Mutex
	start, end int64
	stable     int64 // the last stable offset, where it is below the end; else 0
	pieces     []piece
	aborted    []int64       // first offsets of the producer's aborted transactions
	cutShort   bool          // answers end inside their last batch, unless it is their first
	lagging    int64         // above 0: the leader believes that the log ends here
	throttle   time.Duration // the broker answers nothing and asks for this much silence
	asked      []time.Time   // of each fetch
	offsets    []int64       // of each fetch
}

// serve puts hand-made logs in the place of the event topic's partitions, from 0
// on.
func (w *world) serve(logs ...*handLog) {
	w.cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		for _, l := range logs {
			l.note(req, logs)
		}
		resp, nothing := answerOf(req, logs)
		if nothing {
			w.cluster.SleepControl(func() { time.Sleep(time.Duration(req.MaxWaitMillis) * time.Millisecond) })
			resp, _ = answerOf(req, logs)
		} else if n := logs[0].fetches(); n > 300 {
			// A reader that spins would keep virtual time from passing.
			w.cluster.SleepControl(func() { time.Sleep(10 * time.Millisecond) })
		}
		return resp, nil, true
	})
	w.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		return boundsOf(r.(*kmsg.ListOffsetsRequest), logs), nil, true
	})
}

// settle lets the last long polls end: the bubble would report them.
func settle() { time.Sleep(10 * time.Second) }

// fetches is how many there were of the log.
func (l *handLog) fetches() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}

// note remembers a fetch of the log, but for the one by which the service asks
// at its start whether it may read.
func (l *handLog) note(req *kmsg.FetchRequest, logs []*handLog) {
	if req.MaxBytes == 1 {
		return
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if logs[p.Partition] == l {
				l.mu.Lock()
				l.asked = append(l.asked, time.Now())
				l.offsets = append(l.offsets, p.FetchOffset)
				l.mu.Unlock()
			}
		}
	}
}

// answerOf answers a fetch; nothing tells that there is nothing to tell yet.
func answerOf(req *kmsg.FetchRequest, logs []*handLog) (_ *kmsg.FetchResponse, nothing bool) {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	nothing = true
	left := int(req.MaxBytes)
	for _, t := range req.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			l := logs[p.Partition]
			l.mu.Lock()
			part := l.answer(p.FetchOffset, req.IsolationLevel == 1, min(left, int(p.PartitionMaxBytes)), left == int(req.MaxBytes))
			if l.throttle > 0 {
				part.RecordBatches = nil
				resp.ThrottleMillis = max(resp.ThrottleMillis, int32(l.throttle.Milliseconds()))
			}
			l.mu.Unlock()
			left -= len(part.RecordBatches)
			part.Partition = p.Partition
			nothing = nothing && part.ErrorCode == 0 && len(part.RecordBatches) == 0 && resp.ThrottleMillis == 0
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp, nothing
}

// answer holds whole batches up to a number of bytes; one always where it is the
// first of the whole answer.
func (l *handLog) answer(from int64, committed bool, most int, first bool) kmsg.FetchResponseTopicPartition {
	part := kmsg.NewFetchResponseTopicPartition()
	end := l.end
	if l.lagging > 0 {
		end = l.lagging
	}
	part.HighWatermark, part.LastStableOffset, part.LogStartOffset = end, end, l.start
	if l.stable > 0 {
		part.LastStableOffset = l.stable
	}
	if from < l.start || from > end {
		part.ErrorCode = kerr.OffsetOutOfRange.Code
		return part
	}
	if committed {
		end = part.LastStableOffset
	}
	for i, p := range l.pieces {
		if p.last < from || p.last >= end {
			continue
		}
		b := p.bytes
		if l.cutShort && i == len(l.pieces)-1 && len(part.RecordBatches) > 0 {
			b = b[:len(b)-10]
		}
		if len(part.RecordBatches)+len(b) > most && (!first || len(part.RecordBatches) > 0) {
			break
		}
		part.RecordBatches = append(part.RecordBatches, b...)
	}
	for _, first := range l.aborted {
		part.AbortedTransactions = append(part.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: producerID, FirstOffset: first})
	}
	return part
}

func boundsOf(req *kmsg.ListOffsetsRequest, logs []*handLog) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			l := logs[p.Partition]
			part := kmsg.NewListOffsetsResponseTopicPartition()
			part.Partition = p.Partition
			l.mu.Lock()
			part.Offset = l.start
			if p.Timestamp == -1 {
				part.Offset = l.end
				if l.lagging > 0 {
					part.Offset = l.lagging
				}
			}
			l.mu.Unlock()
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
