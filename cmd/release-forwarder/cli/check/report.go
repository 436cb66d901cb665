package check

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/spelling"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// place is where an event stands.
type place struct {
	input string // a file; "" is standard input
	line  int    // 0: the input as a whole
}

// String is the place for programs and errors.
func (p place) String() string { return p.in(english) }

func (p place) in(lang language) string {
	name := p.input
	if name == "" {
		name = wordStandardInput.in(lang)
	}
	if p.line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d", name, p.line)
}

// verdict is what would become of an event.
type verdict string

const (
	willBeSent verdict = "would-be-sent"
	deadLetter verdict = "dead-letter"
	// A profile of MAPPING_FILE says so.
	willBeIgnored verdict = "would-be-ignored"
	// The lookup file does not have its lot.
	willBeHeld verdict = "would-be-held"
	noEvent    verdict = "no-event"      // the input is empty
	spread     verdict = "several-lines" // it has several objects, each over several lines
	tooLarge   verdict = "too-large"     // larger than maxValue
)

// report is all that check says of one event: as JSON, and for people in text. Texts are in
// the language that was asked for.
type report struct {
	place  place
	mapped bool // by MAPPING_FILE

	Place      string            `json:"place"`
	Verdict    verdict           `json:"verdict"`
	Profile    string            `json:"profile,omitempty"`  // of MAPPING_FILE
	Unlisted   string            `json:"unlisted,omitempty"` // which lot is not in which lookup file
	Steps      []step            `json:"steps,omitempty"`    // with -v
	Reason     mapping.Reason    `json:"reason,omitempty"`   // of the dead letter: that of the first fault
	Faults     []fault           `json:"faults,omitempty"`
	Encoding   examine.Encoding  `json:"encoding,omitempty"`
	Ignored    []ignoredKey      `json:"ignored,omitempty"`
	Others     int               `json:"ignored_others,omitempty"` // how many they are, where they are not told
	Warnings   []warning         `json:"warnings,omitempty"`
	Times      string            `json:"times,omitempty"` // the forms of a time, where one has none
	Parameters map[string]string `json:"parameters,omitempty"`
	Credential string            `json:"credential,omitempty"`
	ToSign     string            `json:"string_to_sign,omitempty"`
	Sign       string            `json:"sign,omitempty"`
	Next       string            `json:"sign_next,omitempty"` // by the next secret
}

type fault struct {
	Reason mapping.Reason `json:"reason"`
	Field  string         `json:"field,omitempty"`
	Text   string         `json:"text"`
	Byte   *int           `json:"byte,omitempty"`
	There  string         `json:"there,omitempty"` // what stands at the place, where no field says it
	Hint   string         `json:"hint,omitempty"`
}

type ignoredKey struct {
	Key     string `json:"key"`
	Meant   string `json:"did_you_mean,omitempty"`
	Service string `json:"hint,omitempty"` // of app_id and sign
}

type warning struct {
	Kind  mapping.Suspicion `json:"kind"`
	Field string            `json:"field"`
	Text  string            `json:"text"`
	Takes string            `json:"takes,omitempty"` // the codes and names that the field takes
}

// judge says what would become of events.
type judge struct {
	mapper *mapping.Mapper
	mappingFlags
	mapped     bool // by a file
	credential settings.Credential
	book       *credential.Set
	at         time.Time // now, in the zone of times without one
	live       bool      // records of the topic
	reveal     bool
	lang       language
}

// report puts an examination of a record into words.
func (j *judge) report(p place, rec *mapping.Record, x *examine.Examination) *report {
	r := &report{place: p, Verdict: willBeSent, Profile: x.Profile, mapped: j.mapped, Encoding: x.Encoding}
	if u := x.Unlisted; u != nil {
		code := u.Code
		if j.hidden() {
			code = fmt.Sprintf(wordLength.in(j.lang), console.Number(utf8.RuneCountInString(code)))
		}
		r.Verdict, r.Unlisted = willBeHeld, fmt.Sprintf(wordUnlisted.in(j.lang), u.File, code)
	} else if x.Release == nil && len(x.Faults) == 0 {
		r.Verdict = willBeIgnored
		return r
	}
	if j.Verbose {
		r.Steps = j.steps(x)
	}
	for i, f := range x.Faults {
		r.Faults = append(r.Faults, j.fault(f, i == 0, x.Encoding, rec.Value))
		if f.Reason == mapping.BadTime {
			r.Times = fmt.Sprintf(wordTimes.in(j.lang), j.at.Location())
		}
	}
	for _, key := range x.Ignored {
		k := ignoredKey{Key: key, Meant: meant(key, x.Absent)}
		if key == "app_id" || key == "sign" {
			k = ignoredKey{Key: key, Service: wordServices.in(j.lang)}
		}
		r.Ignored = append(r.Ignored, k)
	}
	for _, w := range x.Warnings {
		text := suspicionWords[w.Suspicion].in(j.lang)
		if w.Suspicion == mapping.Future {
			text = fmt.Sprintf(text, j.at.Format(time.RFC3339))
			if j.live {
				text = wordFutureLive.in(j.lang)
			}
		}
		r.Warnings = append(r.Warnings, warning{w.Suspicion, w.Field, text, w.Forms})
	}
	switch {
	case len(x.Faults) > 0:
		r.Verdict, r.Reason = deadLetter, x.Faults[0].Reason
	case x.Release != nil:
		j.request(r, x.Release)
	}
	return r
}

func (j *judge) fault(f examine.Fault, first bool, e examine.Encoding, value []byte) fault {
	told := fault{Reason: f.Reason, Field: f.Field, Text: faultText(f.Error, j.lang)}
	if f.Offset >= 0 {
		told.Byte = &f.Offset
	}
	switch {
	case first && e != "":
		told.Hint = encodingWords[e].in(j.lang)
	case f.Guess.Looks != "":
		told.Hint = strings.Replace(looksWords[f.Guess.Looks].in(j.lang), "%s", f.Guess.Send, 1)
	case f.Reason == mapping.InvalidJSON && f.Offset >= 0:
		told.Hint = punctuation(value, f.Offset, j.lang)
	case f.Reason == mapping.WrongType && f.Offset >= 0:
		if digits := number.Find(value[f.Offset:]); f.Detail == notString && digits != nil {
			told.Hint = fmt.Sprintf(wordQuoted.in(j.lang), digits)
		}
	}
	if f.Field == "" && f.Offset >= 0 && e != examine.UTF8BOM && e != examine.UTF16 {
		told.There = excerpt(value, f.Offset, j.lang)
	}
	return told
}

// notString is the phrase of mapping.Details for a field that takes text alone.
const notString = "not a string"

var number = regexp.MustCompile(`^-?[0-9][0-9.eE+-]*`)

// marks are those that input methods and other languages write for JSON's.
var marks = map[rune]string{
	'“': `"`, '”': `"`, '＂': `"`, '‘': `"`, '’': `"`, '\'': `"`, '「': `"`, '」': `"`,
	'，': ",", '、': ",", '；': ",", '：': ":", '｛': "{", '｝': "}", '［': "[", '］': "]", '【': "[", '】': "]",
}

// punctuation names a wrong mark where a value ends to be an event. A closing quote that is none is noticed
// only behind it.
func punctuation(value []byte, at int, lang language) string {
	there, _ := utf8.DecodeRune(value[min(at, len(value)):])
	if there == '[' {
		return wordList.in(lang)
	}
	if marks[there] == "" {
		quote := bytes.IndexAny(value[:min(at, len(value))], "“”＂")
		if quote < 0 {
			return ""
		}
		there, _ = utf8.DecodeRune(value[quote:])
	}
	return fmt.Sprintf(wordMark.in(lang), string(there), marks[there])
}

// request is what would be sent.
func (j *judge) request(r *report, release *mapping.Release) {
	c, has := session.CredentialOf(j.book, j.credential, release.Lot())
	r.Parameters = map[string]string{}
	params := []upstream.Param{}
	if c.AppID != "" {
		params = append(params, upstream.Param{Name: "app_id", Value: c.AppID})
	}
	for name, text := range release.All() {
		params = append(params, upstream.Param{Name: name, Value: text})
	}
	for _, p := range params {
		r.Parameters[p.Name] = p.Value
	}
	r.Credential = credentialWords[j.book.Source(release.Lot())].in(j.lang)
	r.ToSign = upstream.StringToSign(params, "***")
	if has {
		r.Sign = upstream.Sign(params, c.Secret.Reveal())
	}
	if !c.Next.IsZero() {
		r.Next = upstream.Sign(params, c.Next.Reveal())
	}
}

// meant is the field that an ignored key is most likely meant as, of those that the event
// lacks: the same but for case and separators, its Chinese title or the begin of it, one with a
// typing error, or one with something behind it (plateNo).
func meant(key string, absent []string) string {
	const longest = 40 // bytes; no name is half as long
	if len(key) > longest {
		return ""
	}
	for _, name := range absent {
		field, _ := mapping.BuiltIn().Field(name)
		if folded(key) == folded(name) || utf8.RuneCountInString(key) > 1 && strings.HasPrefix(field.Title, key) {
			return name
		}
	}
	if name, found := spelling.Nearest(strings.ToLower(key), absent); found {
		return name
	}
	longer := ""
	for _, name := range mapping.BuiltIn().Names() {
		if strings.HasPrefix(folded(key), folded(name)) && len(name) > len(longer) {
			longer = name
		}
	}
	for _, name := range absent {
		if name == longer {
			return name
		}
	}
	return ""
}

// folded is a name without case and separators.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// excerpt shows what stands around a place of a value, with an arrow before it, and the line
// where there are several.
func excerpt(value []byte, at int, lang language) string {
	const around = 40 // bytes
	at = min(at, len(value))
	text := string(value)
	before, behind := text[:at], text[at:]
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	}
	behind, _, _ = strings.Cut(behind, "\n")
	if n := len(before) - around; n > 0 {
		for n < len(before) && !utf8.RuneStart(before[n]) {
			n++
		}
		before = "…" + before[n:]
	}
	if n := around; n < len(behind) {
		for n > 0 && !utf8.RuneStart(behind[n]) {
			n--
		}
		behind = behind[:n] + "…"
	}
	shown := before + "→" + strings.TrimRight(behind, "\r")
	if line := strings.Count(text[:at], "\n") + 1; strings.Contains(strings.TrimSpace(text), "\n") {
		return fmt.Sprintf(wordLine.in(lang), line) + shown
	}
	return shown
}
