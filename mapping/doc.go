// Package mapping turns the value of a Kafka record, an abnormal-release event,
// into the fields of the platform's request "推送异常放行记录".
//
// It promises:
//
//   - [Mapper.Map] is a pure function of the value, the record's time and the
//     configuration: no I/O, no clock, no state. It may be called from any number
//     of goroutines.
//   - Whatever maps is valid UTF-8 without U+0000, at most [MaxTextLength] code
//     points a field, with every required field present and every time between
//     2000-01-01T00:00:00Z and 2099-12-31T23:59:59Z.
//   - Whatever does not map is refused for good: the same value never maps later
//     under the same configuration. The *[Error] says why with a stable [Reason] and
//     the name of the field, and holds nothing of the record.
//   - No input panics. Time and memory are linear in the value's length, whatever
//     it holds.
//   - [Identify] reads the order key of a record cheaply, also of one that does not
//     map, and agrees with Map wherever Map succeeds.
//
// It leaves to others: JSON's grammar (jsontext), which record comes when, what becomes of a
// refused one, the parameters app_id and sign, encoding and sending, counting what is
// suspicious.
//
// # The event
//
// One JSON object in UTF-8 whose names are those of the API ([Fields]).
// [Schema] describes it for machines and lane teams (draft 2020-12); the tests hold
// the schema and this code to the same verdict. testdata/examples.json shows
// events and what becomes of them.
//
// Text takes JSON strings only. White space around it, as unicode.IsSpace knows it
// (U+3000 too), is removed; the rest goes as it came. A length is that of the text
// that would be sent, so white space around it does not count. null and blank count
// as absent, for codes and times too.
//
// Codes (plate_color, car_type) take a whole number, that number as a string, or a
// name; upper and lower case are the same, and 贵宾车辆(免费车) matches
// with full-width parentheses too, as input methods write them. A number is read as a
// float64: 1, 1.0 and 1e0 are the same, since some producers (a pandas column with gaps)
// know only floating point; "01" and "+1" are not JSON numbers and so are other text. Every
// other number or text is sent as "unknown" and reported as a [Suspicion].
//
// Times are RFC 3339 with any offset (T and Z in either case, as RFC 3339 section
// 5.6 allows; a space before a time with an offset is not its grammar and is
// refused), local times in the configured zone, 13 digits of Unix
// milliseconds or 14 digits of local time. Fractions are cut. The digits of a JSON number are
// judged as they are written: 1.6e12 is a bad time.
//
// # Which reason wins
//
// Where several things are wrong, one reason is given, always the same:
//
//  1. empty: no value (nil or no bytes), or nothing in it but JSON white space.
//  2. invalid-json: the first place where the value stops being one JSON object.
//     A byte outside strings that JSON does not have is this, whatever it is, and so
//     is the text null.
//  3. bad-text: the first string, key or value at any depth, that is not UTF-8 or
//     has an unpaired surrogate escape. The field is named where it lies in one
//     of the API's.
//  4. duplicate-key: the first top-level key that is there twice, known or not,
//     compared with its escapes resolved. Only a field of the API is named: other keys are contents.
//  5. Field by field in the order of [Fields], and in each: wrong-type, bad-text
//     (U+0000), too-long, bad-time, missing-field.
package mapping
