package mapping

import (
	"regexp"

	"go.yaml.in/yaml/v3"
)

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
	inFile     = "the file"
	inEndpoint = "the endpoint"
	inField    = "a field of the endpoint"
	inProfile  = "a profile"
	inWhen     = "when"
	inRule     = "a field"
)

// form is one of texts; why says what is wrong with another.
type form struct {
	*regexp.Regexp
	why string
}

var (
	fieldName   = form{regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`), "is no name of a parameter: a–z, 0–9 and _"}
	profileName = form{regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`), "is no name: 1 to 40 of a–z, 0–9 and hyphens"}
	lookupName  = form{regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`),
		"is no name of a file beside this one: a–z, A–Z, 0–9, points, hyphens and underscores, such as lots.csv"}
	// bodyCode is of a code that may be shown (docs/explanation/guarantees.md, P7).
	bodyCode = form{regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`), "is no code of an answer"}
)

// Keywords returns every keyword, by the parts of the file.
func Keywords() []Keyword {
	return []Keyword{
		{inFile, "endpoint", "mapping", "what the endpoint takes and answers; without it that of the built-in contract", "endpoint:", (*parser).endpoint},
		{inFile, "profiles", "list", "the profiles; a record is mapped by the first that fits", "profiles:", func(*parser, *yaml.Node) {}},

		{inEndpoint, "name", "text", "its name, for people", "name: release", func(p *parser, n *yaml.Node) { p.file.Endpoint.Name = p.scalar(n) }},
		{inEndpoint, "success", "text, or a list", "codes of an answer that accept; UPSTREAM_SUCCESS_CODES must not be set then", `success: "1001"`, func(p *parser, n *yaml.Node) { p.file.Endpoint.Success = p.scalars(n, 1) }},
		{inEndpoint, "permanent", "text, or a list", "codes of an answer that refuse for good; UPSTREAM_PERMANENT_CODES must not be set then", `permanent: "400"`, func(p *parser, n *yaml.Node) { p.file.Endpoint.Permanent = p.scalars(n, 1) }},
		{inEndpoint, "repeat", "a field", "of which the platform ignores a repeated value of a lot", "repeat: parking_serial", func(p *parser, n *yaml.Node) { p.file.Endpoint.Repeat = p.scalar(n) }},
		{inEndpoint, "order", "list of two fields", "the order key: the lot, whose secret signs, and the parking", "order: [park_uuid, parking_serial]", func(p *parser, n *yaml.Node) { p.file.Endpoint.Order = p.scalars(n, 2) }},
		{inEndpoint, "fields", "list", "what it takes, at most 32, in the order in which faults are reported", "fields:", (*parser).endpointFields},

		{inField, "name", "text", "the parameter's name, as in the API", "name: release_time", func(p *parser, n *yaml.Node) { p.field.Name = p.matching(n, fieldName) }},
		{inField, "title", "text", "what it is, in the document's words", "title: 放行时间", func(p *parser, n *yaml.Node) { p.field.Title = p.scalar(n) }},
		{inField, "kind", "`text`, `code` or `time`", "what it takes: a text, one of `codes`, or a time, which is sent in UTC", "kind: time", (*parser).kind},
		{inField, "required", "`true`", "no event is sent without it", "required: true", func(p *parser, n *yaml.Node) { p.field.Required = p.yes(n) }},
		{inField, "personal", "`true`", "it is shown as its first character and its length", "personal: true", func(p *parser, n *yaml.Node) { p.field.Personal = p.yes(n) }},
		{inField, "codes", "mapping", "the API's codes, each with the names that an event may use for it", "codes: {1: [manual, 人工], 2: []}", (*parser).endpointCodes},
		{inField, "otherwise", "text", "the code that is sent for any other; without it such an event is a dead letter, `unknown-code`", "otherwise: 2", func(p *parser, n *yaml.Node) { p.codes.otherwise = p.scalar(n) }},

		{inProfile, "name", "a–z, 0–9 and hyphens", "the profile's name, for metrics and `check`; required", "name: vendor-a", func(p *parser, n *yaml.Node) { p.profile.name = p.matching(n, profileName) }},
		{inProfile, "when", "mapping", "which records the profile fits; without it, all", "when: {topic: lanes-a}", (*parser).when},
		{inProfile, "event", "path", "where the event's object lies; a string there is parsed once as JSON; without it the event is the whole value", "event: body", (*parser).event},
		{inProfile, "prefix", "`confluent`", "the value begins with the five bytes of the Confluent wire format, which are skipped; JSON must follow", "prefix: confluent", (*parser).prefix},
		{inProfile, "fields", "mapping", "a rule for each of the API's fields that is sent", "fields: {plate: {from: car.no}}", (*parser).fields},
		{inProfile, "ignore", "`true`", "the records are counted, and neither sent nor dead-lettered; it needs `when`, and takes no `fields`", "ignore: true", func(p *parser, n *yaml.Node) { p.profile.ignore = p.yes(n) }},

		{inWhen, "topic", "text, or a list", "the topic is one of these; of a replayed record, that in which its event was first", "topic: lanes-a", (*parser).whenTopic},
		{inWhen, "header", "mapping of names to texts or lists", "each header, the last of its name, is one of these", "header: {type: release}", (*parser).whenHeader},
		{inWhen, "value", "mapping of paths to texts or lists, or `null`", "at each path is one of these, as text, number, `true` or `false`; `null`: the record has no value (a tombstone)", "value: {opType: 1}", (*parser).whenValue},

		{inRule, "from", "source, or a list", "the first source where something is: present, not null, not blank", "from: [ticket.no, recordId]", func(p *parser, n *yaml.Node) { p.rule.sources = p.sources(n, 1) }},
		{inRule, "join", "list of sources", "the texts of all, with a hyphen between; nothing if one is missing", "join: [recordId, opType]", func(p *parser, n *yaml.Node) { p.rule.sources, p.rule.join = p.sources(n, 2), true }},
		{inRule, "const", "text", "always this; not for a time, nor for a field of the order key", "const: 无人值守", func(p *parser, n *yaml.Node) { p.rule.constant = p.sent(n) }},
		{inRule, "digits", "`true`", "whole numbers count as text, as they are written", "digits: true", func(p *parser, n *yaml.Node) { p.rule.digits = p.yes(n) }},
		{inRule, "codes", "mapping", "the vendor's codes and names, and what is sent for each; upper or lower case is the same, and so are 1 and 1.0", "codes: {蓝牌: 1, 黄牌: 2}", (*parser).vendorCodes},
		{inRule, "otherwise", "text", "what is sent for a code that `codes` does not have; without it such an event is a dead letter, `unknown-code`", "otherwise: -1", func(p *parser, n *yaml.Node) { p.codes.otherwise = p.sent(n) }},
		{inRule, "lookup", "name of a file", "a CSV file beside this one has the platform's UUID for each code of a lot; for the lot alone", "lookup: lots.csv", func(p *parser, n *yaml.Node) { p.rule.lookup = p.matching(n, lookupName) }},
		{inRule, "time", "`unix-seconds`, `unix-millis`, `unix-millis-local` or a layout", "how the time is written; without it, in any form of the built-in contract", `time: "yyyy/MM/dd HH:mm"`, (*parser).time},
		{inRule, "zone", "IANA name", "zone of a time that names none; without it EVENT_TIMEZONE", "zone: Asia/Urumqi", (*parser).zone},
		{inRule, "required", "`true`", "an event without the field is a dead letter, `missing-field`; so it is for the fields that the endpoint needs", "required: true", func(p *parser, n *yaml.Node) { p.rule.required = p.yes(n) }},
	}
}
