package deadletters

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/cmd/release-forwarder/redact"
)

// textSetter sets a text at a path of a JSON object. All other bytes stay as they are, but for those of a string of JSON
// on the way, which is written again.
type textSetter struct {
	text    string
	numbers bool // a number stays one if the text is one
	inText  bool // within a string of JSON: there is no second one
}

// lenient reads what the mapping refuses too: it may be what is set right.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// object sets the text in an object. A member that is not there is added at the end; of one that is there several
// times at the path's end the first stays.
func (t *textSetter) object(value []byte, path []string) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewReader(value), lenient...)
	if _, err := d.ReadToken(); err != nil {
		return nil, redact.ErrNoObject
	}
	begin := int(d.InputOffset())
	var out []byte
	copied, last, found := 0, begin, false // last: where the member before ends
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, redact.ErrNoObject
		}
		name := token.String()
		raw, end, err := next(d, value)
		if err != nil {
			return nil, err
		}
		switch {
		case name != path[0]:
		case !found:
			set, err := t.value(raw, path)
			if err != nil {
				return nil, err
			}
			out = append(append(out, value[copied:end-len(raw)]...), set...)
			copied, found = end, true
		case len(path) == 1:
			out = append(out, value[copied:last]...)
			copied = end
		}
		last = end
	}
	if d.PeekKind() != '}' {
		return nil, redact.ErrNoObject
	}
	if !found {
		member, err := t.member(path)
		if err != nil {
			return nil, err
		}
		out = append(out, value[copied:last]...)
		if last > begin {
			out = append(out, ',')
		}
		out, copied = append(out, member...), last
	}
	return append(out, value[copied:]...), nil
}

// array sets the text in an element that is there.
func (t *textSetter) array(value []byte, path []string) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewReader(value), lenient...)
	_, _ = d.ReadToken() // it begins
	for i := 0; d.PeekKind() != ']'; i++ {
		raw, end, err := next(d, value)
		if err != nil {
			return nil, err
		}
		if strconv.Itoa(i) == path[0] {
			set, err := t.value(raw, path)
			return slices.Concat(value[:end-len(raw)], set, value[end:]), err
		}
	}
	return nil, fmt.Errorf("there is no element %s in the list, and none is added", path[0])
}

// next reads a value, and where it ends.
func next(d *jsontext.Decoder, in []byte) (raw jsontext.Value, end int, err error) {
	v, err := d.ReadValue()
	if err != nil {
		return nil, 0, redact.ErrNoObject
	}
	end = int(d.InputOffset())
	return in[end-len(v) : end], end, nil
}

// value sets the text in the value at the first name of the path.
func (t *textSetter) value(raw jsontext.Value, path []string) ([]byte, error) {
	kind := raw.Kind()
	if len(path) == 1 {
		return t.leaf(raw)
	}
	switch {
	case kind == '{':
		return t.object(raw, path[1:])
	case kind == '[':
		return t.array(raw, path[1:])
	case kind == 'n':
		return t.created(path[1:])
	case kind == '"' && !t.inText:
		plain, err := jsontext.AppendUnquote(nil, raw)
		if text := jsontext.Value(plain); err == nil && text.Kind() == '{' && text.IsValid(lenient...) {
			t.inText = true
			if plain, err = t.object(plain, path[1:]); err != nil {
				return nil, err
			}
			return jsontext.AppendQuote(nil, plain)
		}
	}
	return nil, fmt.Errorf("at %s is neither an object nor a list", path[0])
}

// leaf is the text as JSON: as the value that it replaces where that says the same.
func (t *textSetter) leaf(raw jsontext.Value) ([]byte, error) {
	number := jsontext.Value(strings.TrimSpace(t.text))
	switch raw.Kind() {
	case '"':
		if plain, err := jsontext.AppendUnquote(nil, raw); err == nil && string(plain) == t.text {
			return raw, nil
		}
	case '0':
		if t.numbers && number.Kind() == '0' && number.IsValid() {
			return number, nil
		}
	}
	quoted, err := jsontext.AppendQuote(nil, t.text)
	if err != nil {
		return nil, errors.New("the text is not UTF-8")
	}
	return quoted, nil
}

// created is what stands where nothing stood: the text, or the objects on the way to it. A list is not created.
func (t *textSetter) created(path []string) ([]byte, error) {
	if len(path) == 0 {
		return t.leaf(nil)
	}
	if _, err := strconv.ParseUint(path[0], 10, 16); err == nil {
		return nil, fmt.Errorf("there is no list for the element %s, and none is added", path[0])
	}
	member, err := t.member(path)
	return slices.Concat([]byte{'{'}, member, []byte{'}'}), err
}

// member is the first name of the path with what stands there.
func (t *textSetter) member(path []string) ([]byte, error) {
	name, err := jsontext.AppendQuote(nil, path[0])
	if err != nil {
		return nil, err
	}
	value, err := t.created(path[1:])
	return slices.Concat(name, []byte{':'}, value), err
}
