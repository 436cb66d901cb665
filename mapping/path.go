package mapping

import (
	"errors"
	"strconv"
	"strings"
)

// sourceKind is where a text comes from.
type sourceKind uint8

const (
	fromTopic sourceKind = iota // of conditions alone
	fromHeader
	fromKey
	fromNothing // of conditions alone: the record has no value
	fromValue   // the last: it is the dearest
)

// source is one place of a record that a field's text may come from, or that a condition looks at.
type source struct {
	written string // as in the file
	kind    sourceKind
	header  string
	path    []string // from the whole value; until compile has seen it, from the event's object
	whole   bool     // it is written so
	slot    int      // of the value at the path, in its plan
}

// maxPath bounds the names of a path.
const maxPath = 16

// sourceOf reads a source: a path, header:NAME or key.
func sourceOf(text string) (s source, err error) {
	s = source{written: text, kind: fromValue}
	name, isHeader := strings.CutPrefix(text, "header:")
	switch {
	case text == "key":
		s.kind = fromKey
	case isHeader && name == "":
		err = errors.New("header: needs a name behind it")
	case isHeader:
		s.kind, s.header = fromHeader, name
	default:
		text, s.whole = strings.CutPrefix(text, "$.")
		s.path, err = pathOf(text)
	}
	return s, err
}

// pathOf reads names with points between; one with a point or a quote in it stands in quotes.
func pathOf(text string) (path []string, err error) {
	for {
		name, _, _ := strings.Cut(text, ".")
		rest := text[len(name):]
		if strings.HasPrefix(text, `"`) {
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				return nil, errors.New("a quoted name of the path has no end")
			}
			name, _ = strconv.Unquote(quoted)
			rest = text[len(quoted):]
		}
		switch path = append(path, name); {
		case name == "" || strings.TrimSpace(name) != name || rest != "" && rest[0] != '.':
			return nil, errors.New("no path: names with points between, as ticket.no or cars.0.color; " +
				"a name with a point stands in quotes")
		case len(path) > maxPath:
			return nil, errors.New("the path has more than " + strconv.Itoa(maxPath) + " names")
		case rest == "":
			return path, nil
		}
		text = rest[1:]
	}
}

// node is a value that is read, or through which a path goes.
type node struct {
	name   string    // in what it lies in
	slot   int       // where the value is kept
	read   bool      // a field is read from it,
	field  string    // this one; "": several are
	inside [][]*node // the members or elements that are read, by the length of their names
	event  bool      // an event's object lies here: a string is parsed
	order  bool      // the order key needs it
	// The name has a backslash, so that a key which is written like it has another name.
	slashed bool
}

// child is the node of a name inside; nil if there is none.
func (n *node) child(name []byte) *node {
	if len(name) < len(n.inside) {
		for _, in := range n.inside[len(name)] { // a map takes longer to find one of so few
			if in.name == string(name) {
				return in
			}
		}
	}
	return nil
}

// plan is what is read of a value: a tree of names.
type plan struct {
	root   node
	slots  int
	prefix int // the bytes before the value's JSON
}

// at is the node at a path; it is added if it is not there.
func (p *plan) at(path []string, order bool) *node {
	n := &p.root
	for _, name := range path {
		in := n.child([]byte(name))
		if in == nil {
			in = &node{name: name, slot: p.slots, slashed: strings.Contains(name, `\`)}
			p.slots++
			for len(n.inside) <= len(name) {
				n.inside = append(n.inside, nil)
			}
			n.inside[len(name)] = append(n.inside[len(name)], in)
		}
		in.order = in.order || order
		n = in
	}
	return n
}

// named is the field that a text is in, by the names that lead to it; "" if it is in none.
func (n *node) named(names []string) (field string) {
	for _, name := range names {
		if n = n.child([]byte(name)); n == nil {
			break
		}
		if n.read {
			field = n.field
		}
	}
	return field
}
