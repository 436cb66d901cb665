package find

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/mapping"
)

// criteria is what a search wants. Of a field one text must fit; all fields named must fit.
type criteria struct {
	fields map[string][]string // by the API's name of the field
	plates []string            // as samePlate writes them
}

// at takes the names that an endpoint has for the lot, the parking and what must not repeat.
func (w *criteria) at(e *mapping.Endpoint) {
	names := map[string]string{"park_uuid": e.Order[0], "parking_serial": e.Order[1], "flow_no": e.Repeat}
	fields := map[string][]string{}
	for name, texts := range w.fields {
		fields[names[name]] = append(fields[names[name]], texts...)
	}
	w.fields = fields
}

// match reports whether a record's value fits. It accepts events that the mapping
// refuses: of a duplicate key either value may fit, and a value that is not one JSON
// object fits if its bytes hold the texts. A number fits as it is written.
func (w *criteria) match(value []byte) bool {
	missing := len(w.fields)
	if len(w.plates) > 0 {
		missing++
	}
	var met [4]string // the fields that fit, at most all of them
	n := 0
	err := redact.EachMember(value, func(name string, raw jsontext.Value) error {
		if kind := raw.Kind(); (kind == '"' || kind == '0') && !slices.Contains(met[:n], name) && w.wants(name, raw) {
			met[n] = name
			n++
		}
		return nil
	})
	if err != nil {
		return w.within(value)
	}
	return n == missing
}

// wants reports whether the text of a member is one that is searched for.
func (w *criteria) wants(name string, raw jsontext.Value) bool {
	if name == "plate" && len(w.plates) > 0 {
		return slices.Contains(w.plates, samePlate(unquoted(raw)))
	}
	texts := w.fields[name]
	return len(texts) > 0 && slices.Contains(texts, strings.TrimSpace(unquoted(raw)))
}

// within searches for the texts anywhere in a value.
func (w *criteria) within(value []byte) bool {
	for _, texts := range w.fields {
		if !slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(value, []byte(text)) }) {
			return false
		}
	}
	if len(w.plates) == 0 {
		return true
	}
	plain := samePlate(string(value))
	return slices.ContainsFunc(w.plates, func(plate string) bool { return strings.Contains(plain, plate) })
}

// unquoted returns a JSON string's text, as far as it can be read, and other values
// unchanged.
func unquoted(raw jsontext.Value) string {
	if raw.Kind() != '"' {
		return string(raw)
	}
	plain, err := jsontext.AppendUnquote(nil, raw)
	if err != nil && len(plain) == 0 {
		return string(bytes.Trim(raw, `"`))
	}
	return string(plain)
}

// samePlate writes a plate so that its usual spellings are one: 粤B·12345, 粤b12345
// and 粤Ｂ 12345. Invisible characters in an event's plate do not hide it.
func samePlate(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' { // full-width forms of ASCII
			r -= '！' - '!'
		}
		switch {
		case unicode.IsSpace(r), settings.Unseen(r), r == '·', r == '•', r == '・', r == '.', r == '-':
			return -1
		}
		return unicode.ToUpper(r)
	}, text)
}

// foundEvent is what is shown of an event.
type foundEvent struct {
	Lot    string `json:"lot,omitempty"`
	Flow   string `json:"flow_no,omitempty"`
	Serial string `json:"parking_serial,omitempty"`
	Plate  string `json:"plate,omitempty"`
	// Bytes is the value's length where it is not one JSON object; nothing else of
	// it is shown then.
	Bytes *int `json:"bytes,omitempty"`
}

// describeEvent returns what may be shown of an event.
func describeEvent(at *mapping.Endpoint, value []byte, reveal bool) foundEvent {
	var e foundEvent
	err := redact.EachMember(value, func(name string, raw jsontext.Value) error {
		f, _ := at.Field(name)
		shown := func() string { return redact.ShowValue(raw, f.Personal && !reveal) }
		if name == at.Repeat {
			e.Flow = shown()
		}
		switch name {
		case at.Order[0]:
			e.Lot = redact.Sanitize(strings.TrimSpace(unquoted(raw)), reveal)
		case at.Order[1]:
			e.Serial = shown()
		case "plate":
			e.Plate = redact.ShowValue(raw, !reveal)
		}
		return nil
	})
	if err != nil {
		return foundEvent{Bytes: redact.Length(value)}
	}
	return e
}
