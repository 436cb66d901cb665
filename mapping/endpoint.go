package mapping

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Endpoint is what one of the platform's endpoints takes, and what its codes mean. It is a part of
// the mapping file; the built-in one is that of builtin.yaml.
type Endpoint struct {
	Name      string
	Success   []string // codes of an answer's body that accept
	Permanent []string // and those that refuse for good
	Repeat    string   // the field of which the platform ignores a repeated value of a lot
	Order     []string // the fields of the order key: the lot, whose credential signs, and the parking
	Fields    []Field  // in the order in which faults are reported

	ascending []int // the places of the fields by the bytes of their names, as the signature requires
}

// maxFields bounds an endpoint's fields.
const maxFields = 32

// ProtectedCodes say something about the platform or the credential, never about the record
// (docs/reference/answers.md): as permanent codes they would empty the topic into the dead letters.
func ProtectedCodes() []string { return []string{"401", "403", "429", "500", "503"} }

// BuiltIn returns the endpoint of the built-in contract.
func BuiltIn() *Endpoint { return builtIn.Endpoint }

// place is where a field is in Fields; -1 if there is none of the name.
func (e *Endpoint) place(name string) int {
	return slices.IndexFunc(e.Fields, func(f Field) bool { return f.Name == name })
}

// Field finds the field with a name, exactly as in the API.
func (e *Endpoint) Field(name string) (f Field, known bool) {
	if at := e.place(name); at >= 0 {
		return e.Fields[at], true
	}
	return Field{}, false
}

// Names are the names of the fields.
func (e *Endpoint) Names() (names []string) {
	for _, f := range e.Fields {
		names = append(names, f.Name)
	}
	return names
}

// Required are the names of the fields without which no event maps.
func (e *Endpoint) Required() (names []string) {
	for _, f := range e.Fields {
		if f.Required {
			names = append(names, f.Name)
		}
	}
	return names
}

// endpoint reads the part of the file that tells the endpoint.
func (p *parser) endpoint(n *yaml.Node) {
	e := new(Endpoint)
	p.file.Endpoint, p.file.Own = e, true
	seen := p.object(n, inEndpoint)
	for _, k := range Keywords() {
		if k.In == inEndpoint && seen[k.Name] == nil && n.Kind == yaml.MappingNode {
			p.fail(n, "%s of the endpoint is missing", k.Name)
		}
	}
	if len(p.mistakes) > 0 {
		return
	}
	p.each(seen["success"], e.Success, func(code string) string {
		if !bodyCode.MatchString(code) {
			return "is no code of an answer"
		}
		return ""
	})
	p.each(seen["permanent"], e.Permanent, func(code string) string {
		switch {
		case slices.Contains(ProtectedCodes(), code):
			return "is no verdict on a record; leave it out"
		case slices.Contains(e.Success, code):
			return "is a success too; leave it out of one"
		case !bodyCode.MatchString(code):
			return "is no code of an answer"
		}
		return ""
	})
	isField := func(name string) string {
		if f, known := e.Field(name); !known {
			return "is no field of the endpoint; there are " + strings.Join(e.Names(), ", ")
		} else if f.Kind != Text || !f.Required {
			return "must be a text that is required"
		}
		return ""
	}
	p.each(seen["repeat"], []string{e.Repeat}, isField)
	p.each(seen["order"], e.Order, isField)
	if len(e.Order) != 2 {
		p.fail(seen["order"], "two fields must be here: the lot, and the parking")
	}
	for i := range e.Fields {
		e.ascending = append(e.ascending, i)
	}
	slices.SortFunc(e.ascending, func(a, b int) int { return cmp.Compare(e.Fields[a].Name, e.Fields[b].Name) })
}

// each judges the texts of a node, which were read without a mistake.
func (p *parser) each(n *yaml.Node, texts []string, problem func(string) string) {
	for i, text := range texts {
		at := n
		if n.Kind == yaml.SequenceNode {
			at = n.Content[i]
		}
		if wrong := problem(text); wrong != "" {
			p.fail(at, "%s %s", text, wrong)
		}
	}
}

func (p *parser) endpointFields(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > maxFields {
		p.fail(n, "a list of 1 to %d fields must be here", maxFields)
		return
	}
	e := p.file.Endpoint
	for _, one := range n.Content {
		p.field, p.codes = &Field{}, newCodes()
		seen := p.object(one, inField)
		f := p.field
		switch name := seen["name"]; {
		case one.Kind != yaml.MappingNode:
		case name == nil || seen["kind"] == nil:
			p.fail(one, "a field needs name and kind")
		case f.Name == "app_id" || f.Name == "sign":
			p.fail(name, "%s is not of the event: the service adds it", f.Name)
		case e.place(f.Name) >= 0:
			p.fail(name, "a second field with the name %s", f.Name)
		}
		p.finishField(one, seen)
		e.Fields = append(e.Fields, *f)
	}
}

// finishField judges what the keywords of a field are together.
func (p *parser) finishField(n *yaml.Node, seen map[string]*yaml.Node) {
	f, codes, otherwise := p.field, seen["codes"], seen["otherwise"]
	switch {
	case codes == nil && otherwise != nil:
		p.fail(otherwise, "otherwise: of no use without codes")
	case codes == nil && f.Kind == Code:
		p.fail(n, "%s is of codes, and has none", f.Name)
	case codes != nil && f.Kind != Code:
		p.fail(codes, "codes: %s is not of the kind code", f.Name)
	case otherwise != nil && p.codes.byName[p.codes.otherwise] != p.codes.otherwise:
		p.fail(otherwise, "%s is no code of %s; there are %s", p.codes.otherwise, f.Name, p.codes.forms())
	}
	if f.clock = clocks[f.Name]; codes != nil {
		f.codes, f.odd = p.codes, oddCodes[f.Name]
	}
}

func (p *parser) kind(n *yaml.Node) {
	text, ok := p.scalar(n)
	kind, known := kinds[text]
	if ok && !known {
		p.fail(n, "%s is no kind; there are text, code and time", text)
	}
	p.field.Kind = kind
}

// endpointCodes reads the codes of the API, each with its names.
func (p *parser) endpointCodes(n *yaml.Node) {
	p.pairs(n, func(key, value *yaml.Node) {
		names := append([]string{key.Value}, p.scalars(value, 0)...)
		for _, name := range names {
			if _, twice := p.codes.byName[strings.ToLower(name)]; twice {
				p.fail(key, "%s is there twice", name)
			}
			p.codes.byName[strings.ToLower(name)] = key.Value
		}
	})
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		p.fail(n, "no code")
	}
}
