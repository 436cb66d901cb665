package mapping

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a mapping file.
const maxFile = 1 << 20

// Mistake is one thing that is wrong in a mapping file.
type Mistake struct {
	Line, Column int
	Text         string
}

func (m Mistake) String() string {
	return fmt.Sprintf("line %d, column %d: %s", m.Line, m.Column, m.Text)
}

// FileError is all that is wrong in a mapping file, in its order.
type FileError struct {
	Mistakes []Mistake
}

func (e *FileError) Error() string {
	var lines []string
	for _, m := range e.Mistakes {
		lines = append(lines, m.String())
	}
	return strings.Join(lines, "; ")
}

// Parse reads a mapping file. The error is a *[FileError].
func Parse(text []byte) (*File, error) { return parse(text, builtIn.Endpoint) }

// parse reads a mapping file; the endpoint is that of a file that tells none.
func parse(text []byte, endpoint *Endpoint) (*File, error) {
	p := &parser{file: &File{Sum: sha256.Sum256(text), Endpoint: endpoint}}
	p.file.plans[1].prefix = 5 // a zero byte and four of a schema's ID
	if root := p.document(text); root != nil {
		seen := p.object(root, inFile)
		p.failIf(seen != nil && seen["profiles"] == nil, root, "profiles is missing")
		if profiles := seen["profiles"]; profiles != nil && len(p.mistakes) == 0 { // they go by the endpoint, wherever it stands
			p.profiles(profiles)
			p.file.compile()
			p.unreachable()
		}
	}
	if len(p.mistakes) > 0 {
		slices.SortStableFunc(p.mistakes, func(a, b Mistake) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
		return nil, &FileError{p.mistakes}
	}
	return p.file, nil
}

// parser is the state of Parse.
type parser struct {
	file     *File
	mistakes []Mistake
	profile  *profile     // that is read now
	rule     *rule        // and its rule
	field    *Field       // the field of the endpoint that is read now
	codes    *codeList    // the codes of the rule, or of that field
	named    []*yaml.Node // where each profile begins
}

func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	p.mistakes = append(p.mistakes, Mistake{n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// failIf fails at a node that is there.
func (p *parser) failIf(wrong bool, n *yaml.Node, format string, args ...any) {
	if wrong && n != nil {
		p.fail(n, format, args...)
	}
}

// atLine is what the library's errors begin with: they tell no column.
var atLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// document is the one YAML document of a text; nil after a mistake.
func (p *parser) document(text []byte) *yaml.Node {
	var doc, second yaml.Node
	first := &yaml.Node{Line: 1, Column: 1}
	d := yaml.NewDecoder(bytes.NewReader(text[:min(len(text), maxFile+1)]))
	err := d.Decode(&doc)
	if err == nil {
		err = d.Decode(&second)
	}
	switch ended := errors.Is(err, io.EOF); {
	case len(text) > maxFile:
		p.fail(first, "the file is larger than 1 MiB")
	case ended && doc.IsZero():
		p.fail(first, "the file is empty")
	case ended:
		return doc.Content[0]
	case err == nil:
		p.fail(&second, "a second document; one file is one document")
	default:
		line := atLine.FindStringSubmatch(err.Error())
		if n, numbered := strconv.Atoi(line[1]); numbered == nil {
			first.Line = n
		}
		p.fail(first, "no YAML: %s", strings.TrimPrefix(err.Error(), line[0]))
	}
	return nil
}

// pairs calls f for each key and value of a mapping, and reports whether it is one. A key may be there once.
func (p *parser) pairs(n *yaml.Node, f func(key, value *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		p.fail(n, "%s where a mapping (name: value) must be", kindOf(n))
		return false
	}
	seen := map[string]bool{"": true} // it is no key
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		text := p.scalar(key)
		p.failIf(text != "" && seen[text], key, "%s is there twice", text)
		if !seen[text] {
			seen[text] = true
			f(key, n.Content[i+1])
		}
	}
	return true
}

// object reads a part of the file by its keywords, and returns their values; nil if it is no mapping.
func (p *parser) object(n *yaml.Node, in string) (seen map[string]*yaml.Node) {
	keywords := slices.DeleteFunc(Keywords(), func(k Keyword) bool { return k.In != in })
	seen = map[string]*yaml.Node{}
	if !p.pairs(n, func(key, value *yaml.Node) {
		var names []string
		for _, k := range keywords {
			if names = append(names, k.Name); k.Name == key.Value {
				seen[k.Name] = value
				k.read(p, value)
				return
			}
		}
		p.fail(key, "%s is no keyword of %s; there are %s", key.Value, in, strings.Join(names, ", "))
	}) {
		return nil
	}
	return seen
}

// scalar is a text, number or word that is not blank; "" after a mistake.
func (p *parser) scalar(n *yaml.Node) string {
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		p.fail(n, "%s where one text must be", kindOf(n))
	case n.Anchor != "":
		p.fail(n, "anchors and aliases are not taken: write it out")
	case n.Style&yaml.TaggedStyle != 0:
		p.fail(n, "tags are not taken: leave out %s", n.Tag)
	case strings.TrimSpace(n.Value) != n.Value || n.Value == "":
		p.fail(n, "a text that is blank, or with white space around it")
	case len(n.Value) > MaxTextLength || strings.ContainsRune(n.Value, 0):
		p.fail(n, "a text longer than 1,024 bytes, or with U+0000")
	default:
		return n.Value
	}
	return ""
}

// matching is a text of a form.
func (p *parser) matching(n *yaml.Node, f form) string {
	text := p.scalar(n)
	p.failIf(text != "" && !f.MatchString(text), n, "%s %s", text, f.why)
	return text
}

// items are one node, or those of a list, of which there must be at least so many.
func (p *parser) items(n *yaml.Node, least int) []*yaml.Node {
	all := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		all = n.Content
	}
	p.failIf(len(all) < least, n, "a list of %d or more must be here", least)
	return all
}

// scalars is one text or a list of them.
func (p *parser) scalars(n *yaml.Node, least int) (texts []string) {
	for _, one := range p.items(n, least) {
		text := p.scalar(one)
		p.failIf(slices.Contains(texts, text), one, "%s is there twice", text)
		texts = once(texts, text)
	}
	return texts
}

// once adds the names that are not there.
func once(all []string, names ...string) []string {
	for _, name := range names {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// yes reads the word true.
func (p *parser) yes(n *yaml.Node) bool {
	is := n.Kind == yaml.ScalarNode && n.Tag == "!!bool" && n.Value == "true"
	p.failIf(!is, n, "only true can stand here; leave the keyword out otherwise")
	return is
}

func kindOf(n *yaml.Node) string {
	if n.Tag == "!!null" {
		return "nothing"
	}
	return map[yaml.Kind]string{yaml.DocumentNode: "a document", yaml.MappingNode: "a mapping",
		yaml.SequenceNode: "a list", yaml.AliasNode: "an alias", yaml.ScalarNode: "a text"}[n.Kind]
}

// unreachable names each profile that an earlier one leaves no record for.
func (p *parser) unreachable() {
	for i, later := range p.file.profiles {
		first := slices.IndexFunc(p.file.profiles[:i], func(earlier profile) bool { return earlier.covers(&later) })
		if first >= 0 {
			p.fail(p.named[i], "the profile %s is never reached: %s, before it, fits every record that it fits",
				later.name, p.file.profiles[first].name)
		}
	}
	ignored := len(p.file.Ignoring) == len(p.file.profiles)
	p.failIf(ignored && len(p.mistakes) == 0, &yaml.Node{Line: 1, Column: 1}, "no profile has fields: nothing would be sent")
}

// covers reports whether a profile fits whatever the later one fits: each of its conditions
// follows from one of the later's.
func (p *profile) covers(later *profile) bool {
	return !slices.ContainsFunc(p.when, func(c condition) bool {
		return !slices.ContainsFunc(later.when, func(d condition) bool {
			same := c.at.kind == d.at.kind && c.at.header == d.at.header && c.at.slot == d.at.slot
			return same && (c.at.kind != fromValue || p.plan == later.plan) && len(once(c.is, d.is...)) == len(c.is)
		})
	})
}
