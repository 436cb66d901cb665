package app

// shareRate sets this replica's share of UPSTREAM_MAX_RATE (requests a second): the part of the
// event topics' partitions that it owns, or the share of one partition if it owns replay
// partitions alone. owned and all count partitions by topic. The shares of all replicas are
// together the whole rate, plus at most one partition's share for each replica that has only
// replay partitions. A replica that owns nothing sends nothing.
func (v *Service) shareRate(owned, all map[string]int) {
	rate := v.settings.Upstream.MaxRate
	if rate <= 0 {
		return // no limit
	}
	events, counted := 0, 0
	for _, topic := range v.settings.Kafka.Topics {
		events += owned[topic]
		counted += all[topic]
	}
	if events == 0 && len(owned) > 0 { // replay partitions
		events = 1
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if counted > 0 {
		v.counted = counted
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
