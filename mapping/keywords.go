package mapping

import "go.yaml.in/yaml/v3"

// Keyword is a word of the mapping file. The reference page is made from them.
type Keyword struct {
	In      string // the part of the file in which it stands
	Name    string
	Takes   string
	Means   string
	Example string

	read func(*parser, *yaml.Node)
}

// The parts of the file.
const (
	inFile    = "the file"
	inProfile = "a profile"
	inWhen    = "when"
	inRule    = "a field"
)

// Keywords returns every keyword, by the parts of the file.
func Keywords() []Keyword {
	return []Keyword{
		{inFile, "profiles", "list", "the profiles; a record is mapped by the first that fits", "profiles:", (*parser).profiles},

		{inProfile, "name", "a–z, 0–9 and hyphens", "the profile's name, for metrics and `check`; required", "name: vendor-a", (*parser).name},
		{inProfile, "when", "mapping", "which records the profile fits; without it, all", "when: {topic: lanes-a}", (*parser).when},
		{inProfile, "event", "path", "where the event's object lies; a string there is parsed once as JSON; without it the event is the whole value", "event: body", (*parser).event},
		{inProfile, "prefix", "`confluent`", "the value begins with the five bytes of the Confluent wire format, which are skipped; JSON must follow", "prefix: confluent", (*parser).prefix},
		{inProfile, "fields", "mapping", "a rule for each of the API's fields that is sent", "fields: {plate: {from: car.no}}", (*parser).fields},
		{inProfile, "ignore", "`true`", "the records are counted, and neither sent nor dead-lettered; it needs `when`, and takes no `fields`", "ignore: true", (*parser).ignore},

		{inWhen, "topic", "text, or a list", "the topic is one of these; of a replayed record, that in which its event was first", "topic: lanes-a", (*parser).whenTopic},
		{inWhen, "header", "mapping of names to texts or lists", "each header, the last of its name, is one of these", "header: {type: release}", (*parser).whenHeader},
		{inWhen, "value", "mapping of paths to texts or lists, or `null`", "at each path is one of these, as text, number, `true` or `false`; `null`: the record has no value (a tombstone)", "value: {opType: 1}", (*parser).whenValue},

		{inRule, "from", "source, or a list", "the first source where something is: present, not null, not blank", "from: [ticket.no, recordId]", (*parser).from},
		{inRule, "join", "list of sources", "the texts of all, with a hyphen between; nothing if one is missing", "join: [recordId, opType]", (*parser).join},
		{inRule, "const", "text", "always this; not for a time, nor for a field of the order key", "const: 无人值守", (*parser).constant},
		{inRule, "digits", "`true`", "whole numbers count as text, as they are written", "digits: true", (*parser).digits},
		{inRule, "codes", "mapping", "the vendor's codes and names, and what is sent for each; upper or lower case is the same, and so are 1 and 1.0", "codes: {蓝牌: 1, 黄牌: 2}", (*parser).codes},
		{inRule, "otherwise", "text", "what is sent for a code that `codes` does not have; without it such an event is a dead letter, `unknown-code`", "otherwise: -1", (*parser).otherwise},
		{inRule, "lookup", "name of a file", "a CSV file beside this one has the platform's UUID for each code of a lot; for the lot alone", "lookup: lots.csv", (*parser).lookup},
		{inRule, "time", "`unix-seconds`, `unix-millis`, `unix-millis-local` or a layout", "how the time is written; without it, in any form of the built-in contract", `time: "yyyy/MM/dd HH:mm"`, (*parser).time},
		{inRule, "zone", "IANA name", "zone of a time that names none; without it EVENT_TIMEZONE", "zone: Asia/Urumqi", (*parser).zone},
		{inRule, "required", "`true`", "an event without the field is a dead letter, `missing-field`; so it is for the fields that the endpoint needs", "required: true", (*parser).required},
	}
}
