package lanes

import (
	"strconv"
	"time"
)

// china is the zone of times that state none. China has kept no summer time
// since 1991, so a fixed zone is right and needs no zone database.
var china = time.FixedZone("CST", 8*60*60)

// wire is the API's own form of a time, in UTC.
const wire = "2006-01-02T15:04:05Z"

// timeForm is one of the forms of a time in docs/event.md. It returns the JSON
// of the value.
type timeForm struct {
	name  string
	write func(t time.Time) string
}

// timeForms are all forms; each vendor uses one of them.
var timeForms = []timeForm{
	{"RFC 3339 in UTC", func(t time.Time) string { return quote(t.UTC().Format(time.RFC3339)) }},
	{"local with a space", func(t time.Time) string { return quote(t.In(china).Format(time.DateTime)) }},
	{"RFC 3339 with an offset", func(t time.Time) string { return quote(t.In(china).Format(time.RFC3339)) }},
	{"milliseconds as a number", func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }},
	{"14 digits as a string", func(t time.Time) string { return quote(t.In(china).Format("20060102150405")) }},
	{"RFC 3339 with a fraction", func(t time.Time) string { return quote(t.In(china).Format("2006-01-02T15:04:05.000Z07:00")) }},
	{"local with a T", func(t time.Time) string { return quote(t.In(china).Format("2006-01-02T15:04:05")) }},
	{"milliseconds as a string", func(t time.Time) string { return quote(strconv.FormatInt(t.UnixMilli(), 10)) }},
	{"local with a fraction", func(t time.Time) string { return quote(t.In(china).Format("2006-01-02 15:04:05.000")) }},
	{"14 digits as a number", func(t time.Time) string { return t.In(china).Format("20060102150405") }},
}

// sent is the instant as the platform must receive it: in UTC, fraction cut.
func sent(t time.Time) string { return t.UTC().Format(wire) }
