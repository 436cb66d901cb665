package fetch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answers is a broker that answers the requests with these in turn, and keeps the requests.
type answers struct {
	left  []kmsg.Response
	asked []kmsg.Request
	at    []int32
	err   error
}

func (a *answers) Send(_ context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	a.asked, a.at = append(a.asked, req), append(a.at, broker)
	if a.err != nil {
		return nil, a.err
	}
	res := a.left[0]
	a.left = a.left[1:]
	return res, nil
}

// offsetOf is an item of an answer to ListOffsets.
func offsetOf(partition int32, code int16, offset int64) kmsg.ListOffsetsResponseTopicPartition {
	p := kmsg.NewListOffsetsResponseTopicPartition()
	p.Partition, p.ErrorCode, p.Offset = partition, code, offset
	return p
}

// offsetsOf is an answer to ListOffsets; another topic's items are no answer.
func offsetsOf(items ...kmsg.ListOffsetsResponseTopicPartition) *kmsg.ListOffsetsResponse {
	res := kmsg.NewPtrListOffsetsResponse()
	res.Version = newestOffsets
	for _, topic := range []string{"other", "events"} {
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic, t.Partitions = topic, items
		if topic == "other" {
			t.Partitions = []kmsg.ListOffsetsResponseTopicPartition{offsetOf(3, 0, 1234)}
		}
		res.Topics = append(res.Topics, t)
	}
	return res
}

// An answer that does not say it for certain is no empty log.
func TestBoundsThatAreNotTold(t *testing.T) {
	type items = []kmsg.ListOffsetsResponseTopicPartition
	moved := int16(kafka.NotLeaderForPartition)
	for name, c := range map[string]struct {
		firsts, ends items
		want         Bounds
		err          error
	}{
		"both":              {items{offsetOf(3, 0, 5)}, items{offsetOf(3, 0, 90)}, Bounds{First: 5, End: 90}, nil},
		"an empty log":      {items{offsetOf(3, 0, 0)}, items{offsetOf(3, 0, 0)}, Bounds{}, nil},
		"both, and another": {items{offsetOf(4, 0, 1), offsetOf(3, 0, 5)}, items{offsetOf(3, 0, 90), offsetOf(4, moved, -1)}, Bounds{First: 5, End: 90}, nil},
		"the same twice":    {items{offsetOf(3, 0, 5)}, items{offsetOf(3, 0, 90), offsetOf(3, 0, 90)}, Bounds{First: 5, End: 90}, nil},
		"nothing":           {nil, nil, Bounds{}, ErrLeftOut},
		"another's":         {items{offsetOf(4, 0, 5)}, items{offsetOf(4, 0, 90)}, Bounds{}, ErrLeftOut},
		"the first alone":   {items{offsetOf(3, 0, 5)}, nil, Bounds{}, ErrLeftOut},
		"the end alone":     {nil, items{offsetOf(3, 0, 90)}, Bounds{}, ErrLeftOut},
		"no first":          {items{offsetOf(3, moved, -1)}, items{offsetOf(3, 0, 90)}, Bounds{}, kafka.NotLeaderForPartition},
		"an error":          {items{offsetOf(3, 0, 5)}, items{offsetOf(3, int16(kafka.FencedLeaderEpoch), 90)}, Bounds{}, kafka.FencedLeaderEpoch},
		"no offset":         {items{offsetOf(3, 0, 5)}, items{offsetOf(3, 0, -1)}, Bounds{}, ErrNoOffset},
		"two ends":          {items{offsetOf(3, 0, 5)}, items{offsetOf(3, 0, 90), offsetOf(3, 0, 91)}, Bounds{}, ErrTwice},
		"an end and none":   {items{offsetOf(3, 0, 5)}, items{offsetOf(3, 0, 90), offsetOf(3, moved, -1)}, Bounds{}, ErrTwice},
	} {
		t.Run(name, func(t *testing.T) {
			a := &answers{left: []kmsg.Response{offsetsOf(c.firsts...), offsetsOf(c.ends...)}}
			got, err := AskBounds(t.Context(), a, 7, true, OffsetAsk{"events", 3, 6})
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
			for i, timestamp := range []int64{kafka.FirstOffset, kafka.LastOffset} {
				req := a.asked[i].(*kmsg.ListOffsetsRequest)
				if p := req.Topics[0].Partitions[0]; a.at[i] != 7 || req.Version != 5 || req.ReplicaID != -1 || req.IsolationLevel != int8(i) ||
					p.Partition != 3 || p.CurrentLeaderEpoch != 6 || p.Timestamp != timestamp {
					t.Errorf("asked %+v of %d", req, a.at[i])
				}
			}
		})
	}
}

func TestOffsetsSinceATime(t *testing.T) {
	for at, asked := range map[time.Time]int64{time.UnixMilli(1_700_000_000_123): 1_700_000_000_123, time.UnixMilli(-2): 0} {
		a := &answers{left: []kmsg.Response{offsetsOf(offsetOf(0, 0, 5), offsetOf(1, 0, -1))}}
		got, err := OffsetsSince(t.Context(), a, 7, at, []OffsetAsk{{"events", 1, 4}, {"events", 0, 2}})
		if want := []OffsetTold{{-1, ErrNoOffset}, {5, nil}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
		req := a.asked[0].(*kmsg.ListOffsetsRequest)
		for i, epoch := range []int32{4, 2} {
			if p := req.Topics[0].Partitions[i]; req.IsolationLevel != readCommitted || p.Timestamp != asked || p.CurrentLeaderEpoch != epoch {
				t.Errorf("asked %+v", req)
			}
		}
	}
}

func TestOffsetsOfSeveralTopics(t *testing.T) {
	res := offsetsOf(offsetOf(0, 0, 5), offsetOf(1, 0, 6))
	a := &answers{left: []kmsg.Response{res}}
	got, err := FirstOffsets(t.Context(), a, 7, []OffsetAsk{{"events", 1, 4}, {"other", 3, -1}, {"events", 0, 0}, {"none", 0, 0}})
	want := []OffsetTold{{6, nil}, {1234, nil}, {5, nil}, {-1, ErrLeftOut}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	req := a.asked[0].(*kmsg.ListOffsetsRequest)
	if len(req.Topics) != 3 || len(req.Topics[0].Partitions) != 2 || req.IsolationLevel != 0 {
		t.Errorf("asked %+v", req)
	}
}

// endOf is an item of an answer to OffsetForLeaderEpoch.
func endOf(partition int32, code int16, epoch int32, end int64) kmsg.OffsetForLeaderEpochResponseTopicPartition {
	p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
	p.Partition, p.ErrorCode, p.LeaderEpoch, p.EndOffset = partition, code, epoch, end
	return p
}

func endsOf(version int16, items ...kmsg.OffsetForLeaderEpochResponseTopicPartition) *kmsg.OffsetForLeaderEpochResponse {
	res := kmsg.NewPtrOffsetForLeaderEpochResponse()
	res.Version = version
	t := kmsg.NewOffsetForLeaderEpochResponseTopic()
	t.Topic, t.Partitions = "events", items
	res.Topics = append(res.Topics, t)
	return res
}

// A leader that knows no such epoch is an answer; a leader that does not answer is an error.
func TestEpochEnds(t *testing.T) {
	nothing := EpochEnd{-1, -1}
	type items = []kmsg.OffsetForLeaderEpochResponseTopicPartition
	for name, c := range map[string]struct {
		answer items
		want   EpochTold
	}{
		"the epoch":      {items{endOf(3, 0, 5, 90)}, EpochTold{EpochEnd{5, 90}, nil}},
		"one below":      {items{endOf(3, 0, 2, 40)}, EpochTold{EpochEnd{2, 40}, nil}},
		"undefined":      {items{endOf(3, 0, -1, -1)}, EpochTold{nothing, nil}},
		"the same twice": {items{endOf(3, 0, 5, 90), endOf(3, 0, 5, 90)}, EpochTold{EpochEnd{5, 90}, nil}},
		"nothing":        {nil, EpochTold{nothing, ErrLeftOut}},
		"another's":      {items{endOf(4, 0, 5, 90)}, EpochTold{nothing, ErrLeftOut}},
		"an error":       {items{endOf(3, int16(kafka.FencedLeaderEpoch), 5, 90)}, EpochTold{nothing, kafka.FencedLeaderEpoch}},
		"two ends":       {items{endOf(3, 0, 5, 90), endOf(3, 0, 5, 91)}, EpochTold{nothing, ErrTwice}},
		"two epochs":     {items{endOf(3, 0, 4, 90), endOf(3, 0, 5, 90)}, EpochTold{nothing, ErrTwice}},
		"contradicted":   {items{endOf(3, 0, 4, 90), endOf(3, 0, 5, 90), endOf(3, 0, 4, 90)}, EpochTold{nothing, ErrTwice}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []int16{3, 4} {
				a := &answers{left: []kmsg.Response{endsOf(v, c.answer...)}}
				all, err := EpochEnds(t.Context(), a, 7, []EpochAsk{{"events", 3, 6, 5}})
				if err != nil || !slices.Equal(all, []EpochTold{c.want}) {
					t.Errorf("%+v, %v; want %+v", all, err, c.want)
				}
				req := a.asked[0].(*kmsg.OffsetForLeaderEpochRequest)
				if p := req.Topics[0].Partitions[0]; a.at[0] != 7 || req.Version != 3 || req.ReplicaID != -1 || p.Partition != 3 || p.CurrentLeaderEpoch != 6 || p.LeaderEpoch != 5 {
					t.Errorf("asked %+v of %d", req, a.at[0])
				}
			}
		})
	}
}

// An answer without epochs would look like a divergence of every log.
func TestEpochEndsOfABrokerThatIsTooOld(t *testing.T) {
	for v := range int16(3) {
		a := &answers{left: []kmsg.Response{endsOf(v, endOf(3, 0, -1, 90))}}
		if all, err := EpochEnds(t.Context(), a, 7, []EpochAsk{{"events", 3, 6, 5}}); !errors.Is(err, kafka.UnsupportedVersion) || all != nil {
			t.Errorf("version %d: %+v, %v", v, all, err)
		}
	}
}

func TestAnswersOfAnotherKind(t *testing.T) {
	down := errors.New("the broker is down")
	for _, a := range []*answers{{err: down}, {left: []kmsg.Response{kmsg.NewPtrMetadataResponse()}}} {
		if _, err := EpochEnds(t.Context(), a, 7, []EpochAsk{{"events", 3, 6, 5}}); err == nil || !errors.Is(err, a.err) && a.err != nil {
			t.Errorf("epochs: %v", err)
		}
	}
	for _, a := range []*answers{{err: down}, {left: []kmsg.Response{kmsg.NewPtrMetadataResponse()}}, {left: []kmsg.Response{offsetsOf(), kmsg.NewPtrMetadataResponse()}}} {
		if _, err := AskBounds(t.Context(), a, 7, false, OffsetAsk{"events", 3, 6}); err == nil || !errors.Is(err, a.err) && a.err != nil {
			t.Errorf("offsets: %v", err)
		}
	}
}
