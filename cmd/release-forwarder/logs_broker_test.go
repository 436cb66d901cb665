package main

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handLog is a partition's log made by hand. What a test changes while it is
// served, it changes under mu.
type handLog struct {
	mu         sync.Mutex
	start, end int64
	epoch      int32 // of the batches that grow appends
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
// on. Who leads a partition, and in which epoch, is the cluster's.
func (w *world) serve(logs ...*handLog) {
	w.epochs.byHand.Store(true)
	w.cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		for _, l := range logs {
			l.note(req, logs)
		}
		resp, nothing := w.answerOf(req, logs)
		if nothing {
			w.cluster.SleepControl(func() { time.Sleep(time.Duration(req.MaxWaitMillis) * time.Millisecond) })
			resp, _ = w.answerOf(req, logs)
		} else if n := logs[0].fetches(); n > 300 {
			// A reader that spins would keep virtual time from passing.
			w.cluster.SleepControl(func() { time.Sleep(10 * time.Millisecond) })
		}
		return resp, nil, true
	})
	w.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		return w.boundsOf(r.(*kmsg.ListOffsetsRequest), logs), nil, true
	})
	w.cluster.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		return w.epochsOf(r.(*kmsg.OffsetForLeaderEpochRequest), logs), nil, true
	})
}

// led gives the event topic's partitions as they are led, by number.
func (w *world) led() []*kfake.PartitionInfo { return w.cluster.PartitionInfos(eventTopic) }

// refuses is the error of the broker that was asked, where it does not lead the
// partition, or not in the epoch that the client names (KIP-320).
func (w *world) refuses(p *kfake.PartitionInfo, epoch int32) int16 {
	switch {
	case p.Leader != w.cluster.CurrentNode():
		return kerr.NotLeaderForPartition.Code
	case epoch >= 0 && epoch < p.Epoch:
		return kerr.FencedLeaderEpoch.Code
	case epoch > p.Epoch:
		return kerr.UnknownLeaderEpoch.Code
	}
	return 0
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
func (w *world) answerOf(req *kmsg.FetchRequest, logs []*handLog) (_ *kmsg.FetchResponse, nothing bool) {
	led := w.led()
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	nothing = true
	left := int(req.MaxBytes)
	for _, t := range req.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID // the one or the other, as the version has it
		for _, p := range t.Partitions {
			l := logs[p.Partition]
			l.mu.Lock()
			part := l.answer(p.FetchOffset, req.IsolationLevel == 1, min(left, int(p.PartitionMaxBytes)), left == int(req.MaxBytes))
			epoch, end := l.epochEnd(led[p.Partition].Epoch, p.LastFetchedEpoch)
			if code := w.refuses(led[p.Partition], p.CurrentLeaderEpoch); code != 0 {
				part.RecordBatches, part.ErrorCode = nil, code
			} else if req.Version >= 12 && p.LastFetchedEpoch >= 0 && (epoch != p.LastFetchedEpoch || end < p.FetchOffset) {
				part.RecordBatches, part.ErrorCode = nil, 0
				part.DivergingEpoch.Epoch, part.DivergingEpoch.EndOffset = epoch, end
			}
			if l.throttle > 0 {
				part.RecordBatches = nil
				resp.ThrottleMillis = max(resp.ThrottleMillis, int32(l.throttle.Milliseconds()))
			}
			l.mu.Unlock()
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

func (w *world) boundsOf(req *kmsg.ListOffsetsRequest, logs []*handLog) kmsg.Response {
	led := w.led()
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
			if code := w.refuses(led[p.Partition], p.CurrentLeaderEpoch); code != 0 {
				part.ErrorCode, part.Offset = code, -1
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func (w *world) epochsOf(req *kmsg.OffsetForLeaderEpochRequest, logs []*handLog) kmsg.Response {
	resp, led := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse), w.led()
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			part.Partition = p.Partition
			if part.ErrorCode = w.refuses(led[p.Partition], p.CurrentLeaderEpoch); part.ErrorCode == 0 {
				l := logs[p.Partition]
				l.mu.Lock()
				part.LeaderEpoch, part.EndOffset = l.epochEnd(led[p.Partition].Epoch, p.LeaderEpoch)
				l.mu.Unlock()
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// epochEnd is Kafka's own rule: the largest epoch that is not above the one asked for,
// and where the next one begins. It knows the log's own end, also where the leader lags.
func (l *handLog) epochEnd(leads, asked int32) (epoch int32, end int64) {
	if asked > leads || asked < 0 {
		return -1, -1
	}
	epoch = -1
	for _, p := range l.pieces {
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
	return epoch, l.end
}
