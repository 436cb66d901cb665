package topic

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Retention is how long Kafka keeps a topic's records.
type Retention struct {
	For   time.Duration // 0: no bound by time
	Bytes int64         // 0: no bound by size; else records may go before For
	// Compacted says that the topic keeps only one record for each key.
	Compacted bool
}

// Retention returns how long Kafka keeps the topic's records. It needs DescribeConfigs on the
// topic.
func (l *Log) Retention(ctx context.Context) (Retention, error) {
	var conf map[string]string
	err := Retry(ctx, func() (err error) {
		conf, err = l.Configs(ctx, "retention.ms", "retention.bytes", "cleanup.policy")
		return err
	})
	if err != nil {
		e := Explain("read the configuration of", l.topic, err)
		if t, is := e.(*Error); is { //nolint:errorlint // made in the line above
			t.Remedy = "grant this user DescribeConfigs on the topic"
		}
		return Retention{}, e
	}
	var r Retention
	deletes := strings.Contains(conf["cleanup.policy"], "delete") || conf["cleanup.policy"] == ""
	r.Compacted = strings.Contains(conf["cleanup.policy"], "compact")
	if ms, err := strconv.ParseInt(conf["retention.ms"], 10, 64); err == nil && ms >= 0 && deletes {
		r.For = time.Duration(min(ms, int64(1<<62)/int64(time.Millisecond))) * time.Millisecond
	}
	if n, err := strconv.ParseInt(conf["retention.bytes"], 10, 64); err == nil && n >= 0 && deletes {
		r.Bytes = n
	}
	return r, nil
}

// Due reports whether the age of a record has reached a share (0 to 1) of the retention time,
// so that retention deletes it soon. A record without a time is never due.
func (r Retention) Due(written time.Time, share float64, now time.Time) bool {
	return r.For > 0 && !written.IsZero() && now.Sub(written) >= time.Duration(float64(r.For)*share)
}

// Configs returns the values of some of the topic's settings. It needs DescribeConfigs on the
// topic.
func (l *Log) Configs(ctx context.Context, names ...string) (map[string]string, error) {
	res, err := Client(l.wire, RequestTimeout).DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: l.topic, ConfigNames: names,
	}}})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, r := range res.Resources {
		if r.Error != nil {
			return nil, r.Error
		}
		for _, e := range r.ConfigEntries {
			found[e.ConfigName] = e.ConfigValue
		}
	}
	if len(res.Resources) == 0 {
		return nil, fmt.Errorf("the answer leaves topic %s out: %w", l.topic, kafka.BrokerNotAvailable)
	}
	return found, nil
}
