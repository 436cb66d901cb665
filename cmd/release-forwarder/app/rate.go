package app

// shareRate sets this replica's share of UPSTREAM_MAX_RATE (requests a second): the part of
// KAFKA_TOPIC's partitions that it owns, or the share of one partition if it owns replay
// partitions alone. owned and all count partitions by topic. The shares of all replicas are
// together the whole rate, plus at most one partition's share for each replica that has only
// replay partitions. A replica that owns nothing sends nothing.
func (v *Service) shareRate(owned, all map[string]int) {
	rate := v.settings.Upstream.MaxRate
	if rate <= 0 {
		return // no limit
	}
	events, others := 0, 0
	for topic, n := range owned {
		if topic == v.settings.Kafka.Topic {
			events = n
		} else {
			others += n
		}
	}
	if events == 0 && others > 0 {
		events = 1
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := all[v.settings.Kafka.Topic]; n > 0 {
		v.counted = n
	}
	if events == 0 {
		return // open deliveries end at the rate they began with
	}
	share := leastShare
	if v.counted > 0 {
		share = float64(events) / float64(max(events, v.counted))
	}
	v.gate.SetRate(float64(rate) * share)
}

// leastShare is a replica's share while the number of partitions is unknown: with more, all
// replicas together could exceed the whole rate.
const leastShare = 1.0 / 1000
