package lanes

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// The reasons for which events are dead-lettered before anything is sent (docs/event.md,
// "Event").
const (
	ReasonEmpty        = "empty"
	ReasonInvalidJSON  = "invalid-json"
	ReasonDuplicateKey = "duplicate-key"
	ReasonBadText      = "bad-text"
	ReasonMissingField = "missing-field"
	ReasonWrongType    = "wrong-type"
	ReasonBadTime      = "bad-time"
	ReasonTooLong      = "too-long"
)

// defect is one way in which an event of the field cannot be mapped.
type defect struct {
	name   string // what happened, for people
	reason string
	spoil  func(o object, now time.Time) []byte
}

// gbkPlate is the plate 粤B12345 in GBK, as old lane computers write it.
const gbkPlate = "\xd4\xc1B12345"

var defects = []defect{
	{"no plate", ReasonMissingField, func(o object, _ time.Time) []byte {
		o.drop("plate")
		return o.bytes()
	}},
	{"a blank plate", ReasonMissingField, func(o object, _ time.Time) []byte {
		o.set("plate", quote(" \u3000"))
		return o.bytes()
	}},
	{"a day that does not exist", ReasonBadTime, func(o object, now time.Time) []byte {
		o.set("operate_time", quote(strconv.Itoa(now.Year())+"-02-30 08:15:00"))
		return o.bytes()
	}},
	{"a time in seconds", ReasonBadTime, func(o object, now time.Time) []byte {
		o.set("operate_time", strconv.FormatInt(now.Unix(), 10))
		return o.bytes()
	}},
	{"cut off in the middle", ReasonInvalidJSON, func(o object, _ time.Time) []byte {
		b := o.bytes()
		return b[:len(b)-2] // both ASCII: what is left is still UTF-8
	}},
	{"a line of a log instead of JSON", ReasonInvalidJSON, func(o object, now time.Time) []byte {
		return []byte(now.In(china).Format(time.DateTime) + " ERROR lane controller restarted")
	}},
	{"a plate that is a number", ReasonWrongType, func(o object, _ time.Time) []byte {
		o.set("plate", "12345")
		return o.bytes()
	}},
	{"an operator that is an object", ReasonWrongType, func(o object, _ time.Time) []byte {
		o.set("operator", `{"id":7,"name":"张三"}`)
		return o.bytes()
	}},
	{"the plate twice", ReasonDuplicateKey, func(o object, _ time.Time) []byte {
		o.add("plate", quote("粤B00000"))
		return o.bytes()
	}},
	{"a plate in GBK", ReasonBadText, func(o object, _ time.Time) []byte {
		o.set("plate", `"`+gbkPlate+`"`)
		return o.bytes()
	}},
	{"a reason without end", ReasonTooLong, func(o object, _ time.Time) []byte {
		o.set("reason", quote(strings.Repeat("设备异常", 300)))
		return o.bytes()
	}},
	{"a byte order mark", ReasonInvalidJSON, func(o object, _ time.Time) []byte {
		return append([]byte("\ufeff"), o.bytes()...)
	}},
	{"no value at all", ReasonEmpty, func(object, time.Time) []byte { return nil }},
}

// apply spoils a well-formed event; the value comes back with its reason.
func (d defect) apply(o object, now time.Time) (value []byte, reason string) {
	return bytes.Clone(d.spoil(o, now)), d.reason
}

func pickDefect(rng *rand.Rand) defect { return defects[rng.IntN(len(defects))] }
