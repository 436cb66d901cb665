package topic_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/topic/topictest"
)

func TestRetentionIsWhatTheTopicIsSetTo(t *testing.T) {
	for _, c := range []struct {
		config map[string]string
		want   topic.Retention
	}{
		{map[string]string{"retention.ms": "3600000"}, topic.Retention{For: time.Hour}},
		{map[string]string{"retention.ms": "-1"}, topic.Retention{}},
		{map[string]string{"retention.ms": "3600000", "retention.bytes": "1000"}, topic.Retention{For: time.Hour, Bytes: 1000}},
		{map[string]string{"retention.ms": "3600000", "cleanup.policy": "compact"}, topic.Retention{Compacted: true}},
		{map[string]string{"retention.ms": "3600000", "cleanup.policy": "compact,delete"}, topic.Retention{For: time.Hour, Compacted: true}},
	} {
		inHall(t, func(h *topictest.Hall) {
			var set []kadm.AlterConfig
			for setting, value := range c.config {
				set = append(set, kadm.AlterConfig{Name: setting, Value: &value})
			}
			if _, err := kadm.NewClient(h.Observer).AlterTopicConfigs(h.Ctx, set, name); err != nil {
				t.Fatal(err)
			}
			if got, err := logOf(h).Retention(h.Ctx); err != nil || got != c.want {
				t.Errorf("%v: %+v %v, want %+v", c.config, got, err, c.want)
			}
		})
	}
}

func TestARecordIsDueAtItsShareOfTheRetention(t *testing.T) {
	now := time.Now()
	for age, want := range map[time.Duration]bool{79 * time.Minute: false, 80 * time.Minute: true, 200 * time.Minute: true} {
		if got := (topic.Retention{For: 100 * time.Minute}).Due(now.Add(-age), 0.8, now); got != want {
			t.Errorf("%s of 100m is due: %t", age, got)
		}
	}
	if (topic.Retention{}).Due(time.UnixMilli(1), 0.8, now) || (topic.Retention{For: 1}).Due(time.Time{}, 0.8, now) {
		t.Error("due without a retention or a time")
	}
}
