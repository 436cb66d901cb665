package mapping

import _ "embed"

//go:embed event.schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of the event, for lane teams and other
// producers of events. It requires the four fields that are always required. Map refuses
// some events that the schema cannot refuse: a date that does not exist or is just outside
// the bounds, a local time in a gap of the zone, wrong parts of a 14-digit time, a time as a
// number with a point or an exponent, half of a surrogate pair, and nesting deeper than
// [MaxDepth].
func Schema() string { return schema }
