package fetch

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// leaders answers with the same items whatever it is asked, as the library merges them.
type leaders []listoffsets.ResponsePartition

func (l leaders) RoundTrip(context.Context, net.Addr, kafka.Request) (kafka.Response, error) {
	return &listoffsets.Response{Topics: []listoffsets.ResponseTopic{{Topic: "other", Partitions: l}, {Topic: "events", Partitions: l}}}, nil
}

// What an answer does not tell for sure is no empty log.
func TestBoundsThatAnAnswerDoesNotTell(t *testing.T) {
	first := listoffsets.ResponsePartition{Partition: 3, Timestamp: kafka.FirstOffset, Offset: 5}
	last := listoffsets.ResponsePartition{Partition: 3, Timestamp: kafka.LastOffset, Offset: 90}
	other, refused, none, twice := last, last, last, last
	other.Partition, refused.ErrorCode, none.Offset, twice.Offset = 4, int16(kafka.NotLeaderForPartition), -1, 91
	for name, c := range map[string]struct {
		answer leaders
		want   Bounds
	}{
		"both":              {leaders{first, last}, Bounds{First: 5, End: 90}},
		"both, and another": {leaders{other, last, first}, Bounds{First: 5, End: 90}},
		"the same twice":    {leaders{first, last, last}, Bounds{First: 5, End: 90}},
		"nothing":           {nil, Bounds{-1, -1, ErrLeftOut}},
		"another's":         {leaders{other}, Bounds{-1, -1, ErrLeftOut}},
		"the first alone":   {leaders{first}, Bounds{-1, -1, ErrLeftOut}},
		"the end alone":     {leaders{last}, Bounds{-1, -1, ErrLeftOut}},
		"an error":          {leaders{first, refused}, Bounds{-1, -1, kafka.NotLeaderForPartition}},
		"no offset":         {leaders{first, none}, Bounds{-1, -1, ErrNoOffset}},
		"two ends":          {leaders{first, last, twice}, Bounds{-1, -1, ErrTwice}},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := LogBounds(context.Background(), c.answer, nil, "events", []int32{3}, false)
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			if got := all[3]; got.First != c.want.First || got.End != c.want.End || !errors.Is(got.Err, c.want.Err) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
