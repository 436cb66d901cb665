package lanes

import (
	"bytes"
	"encoding/json"
)

// member is one name and value of an event's JSON object; the value is JSON.
type member struct{ name, json string }

// object is an event's JSON object in the order it is written.
type object []member

func (o *object) add(name, json string) { *o = append(*o, member{name, json}) }

// set replaces the value of name, or adds it.
func (o *object) set(name, json string) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].json = json
			return
		}
	}
	o.add(name, json)
}

// drop removes name.
func (o *object) drop(name string) {
	for i := range *o {
		if (*o)[i].name == name {
			*o = append((*o)[:i:i], (*o)[i+1:]...)
			return
		}
	}
}

func (o object) bytes() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(m.name))
		b.WriteByte(':')
		b.WriteString(m.json)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// quote returns text as a JSON string, with signs such as & and < as they are.
func quote(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // a string always encodes
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}
