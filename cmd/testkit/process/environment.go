package process

import (
	"slices"
	"strings"
)

// settings are the prefixes of the forwarder's own settings.
var settings = []string{"KAFKA_", "DLQ_", "UPSTREAM_", "RETRY_", "LOT_", "CONSUMER_", "EVENT_", "ADMIN_", "LOG_"}

// Environment is the environment for the forwarder: the one given without any
// of the forwarder's settings, so that nothing set for another Kafka or the
// real platform gets through, then the settings given, the last of a name in
// force.
func Environment(base []string, given ...string) []string {
	env := slices.DeleteFunc(slices.Clone(base), func(entry string) bool {
		return slices.ContainsFunc(settings, func(prefix string) bool { return strings.HasPrefix(entry, prefix) })
	})
	return append(env, given...)
}
