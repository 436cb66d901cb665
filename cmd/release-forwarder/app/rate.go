package app

// shareRate takes this replica's part of UPSTREAM_MAX_RATE, by how many
// partitions of each topic it owns of all: its share of KAFKA_TOPIC's, or the
// share of one where it has replay partitions alone. The shares of all replicas
// together are the whole rate, and at most one partition's more for each replica that
// has only replay partitions. Where it owns nothing it sends nothing.
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
		return // what is still open ends at the rate it began with
	}
	share := leastShare
	if v.counted > 0 {
		share = float64(events) / float64(max(events, v.counted))
	}
	v.gate.SetRate(float64(rate) * share)
}

// leastShare is a replica's part while nothing is known: with any more all replicas
// together could pass the whole rate.
const leastShare = 1.0 / 1000
