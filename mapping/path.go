package mapping

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// sourceKind is where a text comes from.
type sourceKind uint8

const (
	fromValue sourceKind = iota
	fromHeader
	fromKey
)

// source is one place of a record that a field's text may come from.
type source struct {
	written string // as in the file
	kind    sourceKind
	header  string
	path    []string // from the event's object, or from the whole value
	whole   bool     // the path is from the whole value
	slot    int      // of the value at the path, in its plan
}

// maxPath bounds the names of a path.
const maxPath = 16

// sourceOf reads a source: a path, header:NAME or key.
func sourceOf(text string) (source, error) {
	s := source{written: text}
	switch name, isHeader := strings.CutPrefix(text, "header:"); {
	case text == "key":
		s.kind = fromKey
	case isHeader && name == "":
		return s, errors.New("header: needs a name behind it")
	case isHeader:
		s.kind, s.header = fromHeader, name
	default:
		rest, whole := strings.CutPrefix(text, "$.")
		path, err := pathOf(rest)
		s.path, s.whole = path, whole
		return s, err
	}
	return s, nil
}

// pathOf reads names with points between; one with a point or a quote in it stands in quotes.
func pathOf(text string) (path []string, err error) {
	for {
		var name string
		if strings.HasPrefix(text, `"`) {
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				return nil, errors.New("a quoted name of the path has no end")
			}
			name, _ = strconv.Unquote(quoted)
			text = text[len(quoted):]
		} else {
			end := strings.IndexByte(text+".", '.')
			name, text = text[:end], text[end:]
		}
		switch path = append(path, name); {
		case name == "" || strings.TrimSpace(name) != name || text != "" && text[0] != '.':
			return nil, errors.New("no path: names with points between, as ticket.no or cars.0.color; a name with a point stands in quotes")
		case len(path) > maxPath:
			return nil, errors.New("the path has more than " + strconv.Itoa(maxPath) + " names")
		case text == "":
			return path, nil
		}
		text = text[1:]
	}
}

// node is a value that is read, or through which a path goes.
type node struct {
	slot    int              // where the value is kept
	field   field            // which it is read for; unknown if for several, or for none alone
	inside  map[string]*node // the members or elements that are read
	lengths uint64           // a bit for each length of a name in inside; the last one for all longer
	longest int              // bytes of the longest name in inside, in quotes and with every character escaped
	last    int              // the highest number among the names in inside; -1: none
	event   bool             // an event's object lies here: a string is parsed
}

// plan is what is read of a value: a tree of names.
type plan struct {
	root  node
	slots int
}

func newPlan() *plan { return &plan{root: node{slot: -1, field: unknown, last: -1}} }

func lengthBit(length int) uint64 { return 1 << min(length, 63) }

// at is the node at a path; it is added if it is not there.
func (p *plan) at(path []string) *node {
	n := &p.root
	for _, name := range path {
		in := n.inside[name]
		if in == nil {
			in = &node{slot: p.slots, field: unknown, last: -1}
			p.slots++
			if n.inside == nil {
				n.inside = map[string]*node{}
			}
			n.inside[name] = in
			n.lengths |= lengthBit(len(name))
			n.longest = max(n.longest, len(`""`)+len(`\u0000`)*len(name))
			if index, err := strconv.ParseUint(name, 10, 16); err == nil {
				n.last = max(n.last, int(index))
			}
		}
		n = in
	}
	return n
}

// add adds a source that a field is read from, where event is the path of the event's object.
// It sets the source's slot.
func (p *plan) add(s *source, event []string, f field) {
	if s.kind != fromValue {
		return
	}
	path := s.path
	if !s.whole {
		path = slices.Concat(event, s.path)
	}
	n := p.at(path)
	s.slot = n.slot
	if n.field == unknown {
		n.field = f
	} else if n.field != f {
		n.field = several
	}
}

// named is the field that a text is in, by the names that lead to it; unknown if it is in none.
func (p *plan) named(names []string) (f field) {
	f = unknown
	n := &p.root
	for _, name := range names {
		if n = n.inside[name]; n == nil {
			break
		}
		if n.field != unknown {
			f = n.field
		}
	}
	return f
}
