// Package mapping turns the value of a Kafka record, an abnormal-release event,
// into the fields of the platform's request "推送异常放行记录".
//
// It promises:
//
//   - [Mapper.Map] is a pure function of the [Record] and the configuration: no I/O, no
//     clock, no state. It may be called from any number of goroutines.
//   - A mapped event is valid UTF-8 without U+0000, has at most [MaxTextLength] code
//     points a field, every required field, and every time between
//     2000-01-01T00:00:00Z and 2099-12-31T23:59:59Z.
//   - A refused event is refused for good: with the same configuration the same record
//     never maps. The *[Error] says why with a stable [Reason] and the name of the
//     field, and holds nothing of the record.
//   - An event that is right but that its lot's code is not in the lookup file is not refused: *[Unlisted]
//     says that it maps when the file has it. See [Mapper.With].
//   - No input panics. Time and memory are linear in the value's length.
//   - [Mapper.Explain] says of a record what Map says, field by field for people: what was seen, what
//     is sent, what is refused and what is strange. It goes on behind the first fault.
//   - [Mapper.Identify] reads the order key of a record cheaply, also of one that does not
//     map, and agrees with Map if Map succeeds.
//
// It does not do: JSON's grammar (jsontext), reading records, handling refused ones, the
// parameters app_id and sign, encoding and sending, counting suspicious events.
//
// # From where the fields come
//
// A mapping file ([Parse]) says which fields the endpoint takes, and from where in a record each comes.
// Without one that is the built-in contract (builtin.yaml), which is such a file. What follows is that
// contract.
//
// # The event
//
// One JSON object in UTF-8 with the API's names. [Schema] describes it for
// machines and lane teams (draft 2020-12); tests check that the schema and this code agree.
// testdata/examples.json shows events and their results.
//
// Text takes JSON strings only. White space around it (unicode.IsSpace, so U+3000 too) is
// removed; the rest is sent unchanged. The length is that of the text without this white
// space. null and blank count as absent, for codes and times too.
//
// Codes (plate_color, car_type) take a whole number, that number as a string, or a name in
// upper or lower case. 贵宾车辆(免费车) matches with full-width parentheses too, as input
// methods write them. A number is read as a float64: 1, 1.0 and 1e0 are the same, because
// some producers (a pandas column with gaps) write only floating point. "01" and "+1" are
// not JSON numbers, so they are other text. Any other number or text is sent as "unknown"
// and reported as a [Suspicion].
//
// Times are RFC 3339 with any offset (T and Z in upper or lower case, as RFC 3339 section
// 5.6 allows; a space instead of T together with an offset is refused), local times in the
// configured zone, 13 digits of Unix milliseconds or 14 digits of local time. Fractions are
// cut. A JSON number must be written in digits: 1.6e12 is a bad time.
//
// # Which reason wins
//
// An event with several faults always gets the same one reason. A record that fits no profile of the
// file has no-profile, before all but what keeps its value from being read.
//
//  1. empty: no value (nil or no bytes), or only JSON white space.
//  2. invalid-json: the first place where the value stops being one JSON object. This
//     includes any byte outside strings that JSON does not allow, and the text null.
//  3. bad-text: the first string, key or value at any depth, that is not UTF-8 or has an
//     unpaired surrogate escape. If it is in a field of the API, the field is named.
//  4. duplicate-key: the first top-level key that occurs twice, known or not, compared
//     after resolving escapes. Only a field of the API is named: other keys are contents.
//  5. Field by field in the order of the endpoint's table, and in each field: wrong-type, bad-text
//     (U+0000), too-long, unknown-code, bad-time, missing-field.
package mapping
