package mapping

import _ "embed"

//go:embed event.schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of the event, for lane teams and for
// whoever produces events. It describes the event with the four fields that are
// always required. What a schema cannot refuse and Map does: a date that does not exist or
// lies just outside the bounds, a local time in a gap of the zone, the parts of a time
// written as a number of 14 digits, a number for a time that is written with a point or an
// exponent, half of a surrogate pair, and nesting deeper than [MaxDepth].
func Schema() string { return schema }
