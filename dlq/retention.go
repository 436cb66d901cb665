package dlq

import (
	"context"
	"strconv"
	"strings"
	"time"
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
func (d *source) Retention(ctx context.Context) (Retention, error) {
	var conf map[string]string
	err := again(ctx, func() (err error) {
		conf, err = configs(ctx, d.client(), d.topic, "retention.ms", "retention.bytes", "cleanup.policy")
		return err
	})
	if err != nil {
		e := topicError("read the configuration of", d.topic, err)
		if t, is := e.(*TopicError); is { //nolint:errorlint // made in the line above
			t.Remedy = "grant this user DescribeConfigs on the topic, or say with --retention how long it keeps records"
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

// Due reports whether a letter's age has reached a share (0 to 1) of the retention time, so
// that retention deletes it soon. A letter without a plausible time is never due.
func (r Retention) Due(s *Stored, share float64, now time.Time) bool {
	written := s.WrittenAt()
	return r.For > 0 && !written.IsZero() && now.Sub(written) >= time.Duration(float64(r.For)*share)
}
