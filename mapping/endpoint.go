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
	p.file.Endpoint = e
	seen := p.object(n, inEndpoint)
	for _, k := range Keywords() {
		p.failIf(k.In == inEndpoint && seen != nil && seen[k.Name] == nil, n, "%s of the endpoint is missing", k.Name)
	}
	if len(p.mistakes) > 0 {
		return
	}
	success, permanent := p.items(seen["success"], 1), p.items(seen["permanent"], 1)
	for _, at := range slices.Concat(success, permanent) {
		p.matching(at, bodyCode)
	}
	for _, at := range permanent {
		p.failIf(slices.Contains(ProtectedCodes(), at.Value), at, "%s is no verdict on a record; leave it out", at.Value)
		p.failIf(slices.Contains(e.Success, at.Value), at, "%s is a success too; leave it out of one", at.Value)
	}
	for _, at := range append(p.items(seen["order"], 2), seen["repeat"]) {
		f, known := e.Field(at.Value)
		p.failIf(!known, at, "%s is no field of the endpoint; there are %s", at.Value, strings.Join(e.Names(), ", "))
		p.failIf(known && (f.Kind != Text || !f.Required), at, "%s must be a text that is required", at.Value)
	}
	p.failIf(len(e.Order) != 2, seen["order"], "two fields must be here: the lot, and the parking")
	for i := range e.Fields {
		e.ascending = append(e.ascending, i)
	}
	slices.SortFunc(e.ascending, func(a, b int) int { return cmp.Compare(e.Fields[a].Name, e.Fields[b].Name) })
}

func (p *parser) endpointFields(n *yaml.Node) {
	for _, one := range p.list(n, maxFields, "fields") {
		p.field, p.codes = &Field{}, &codeList{byName: map[string]string{}}
		if seen := p.object(one, inField); seen != nil {
			p.finishField(one, seen)
		}
		p.file.Endpoint.Fields = append(p.file.Endpoint.Fields, *p.field)
	}
}

// finishField judges what the keywords of a field are together.
func (p *parser) finishField(n *yaml.Node, seen map[string]*yaml.Node) {
	f, name, codes, otherwise := p.field, seen["name"], seen["codes"], seen["otherwise"]
	p.failIf(name == nil || seen["kind"] == nil, n, "a field needs name and kind")
	p.failIf(f.Name == "app_id" || f.Name == "sign", name, "%s is not of the event: the service adds it", f.Name)
	p.failIf(f.Name != "" && p.file.Endpoint.place(f.Name) >= 0, name, "a second field with the name %s", f.Name)
	p.failIf(codes == nil, otherwise, "otherwise: of no use without codes")
	p.failIf(codes == nil && f.Kind == Code, n, "%s is of codes, and has none", f.Name)
	p.failIf(f.Kind != Code, codes, "codes: %s is not of the kind code", f.Name)
	p.failIf(f.Kind == Code && codes != nil && p.codes.byName[p.codes.otherwise] != p.codes.otherwise, otherwise,
		"%s is no code of %s; there are %s", p.codes.otherwise, f.Name, p.codes.forms())
	if f.clock = clocks[f.Name]; codes != nil {
		f.codes, f.odd = p.codes, oddCodes[f.Name]
	}
}

func (p *parser) kind(n *yaml.Node) {
	text := p.scalar(n)
	kind := slices.Index(kinds, text)
	p.failIf(text != "" && kind < 0, n, "%s is no kind; there are text, code and time", text)
	p.field.Kind = Kind(max(kind, 0))
}
