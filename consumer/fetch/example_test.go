package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/wire"
)

// One pass of a fetch loop for one partition.
func Example() {
	w := wire.New(context.Background(), wire.Config{Brokers: []string{"kafka-1:9092"}, Topics: []string{"events"}})
	offset := int64(42)

	res, err := fetch.Do(context.Background(), w, &fetch.Request{
		Broker: 1, ClientID: "release-forwarder", MaxWait: 500 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
		Partitions: []fetch.Partition{{Topic: "events", Partition: 0, LeaderEpoch: -1, LastEpoch: -1, Offset: offset, MaxBytes: 64 << 10}},
	})
	if err != nil {
		return // back off, then ask again
	}
	answer := res.Partitions[0]
	if answer.Err != nil {
		return // the leader moved, or the offset is not in the log
	}
	r := answer.Records(offset, fetch.Limits{MaxRecordBytes: 16 << 20})
	defer r.Close()
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return // the partition cannot be read beyond r.Position()
		}
		fmt.Println(record.Offset, len(record.Value))
	}
	fmt.Println("next fetch from", r.Position())
}
