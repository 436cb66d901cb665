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
	p.file.plans[1].prefix = confluentBytes
	if root := p.document(text); root != nil {
		switch profiles := p.object(root, inFile)["profiles"]; {
		case profiles == nil && root.Kind == yaml.MappingNode:
			p.fail(root, "profiles is missing")
		case len(p.mistakes) == 0: // they go by the endpoint, wherever it stands
			p.profiles(profiles)
			p.unreachable()
		}
	}
	if len(p.mistakes) > 0 {
		slices.SortStableFunc(p.mistakes, func(a, b Mistake) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
		return nil, &FileError{p.mistakes}
	}
	p.file.compile()
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

// atLine is what the library's errors begin with: they tell no column.
var atLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document is the one YAML document of a text; nil after a mistake.
func (p *parser) document(text []byte) *yaml.Node {
	first := &yaml.Node{Line: 1, Column: 1}
	if len(text) > maxFile {
		p.fail(first, "the file is larger than 1 MiB")
		return nil
	}
	var doc, second yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		p.fail(first, "the file is empty")
		return nil
	}
	if err == nil {
		err = d.Decode(&second)
	}
	switch {
	case errors.Is(err, io.EOF):
		return doc.Content[0]
	case err == nil:
		p.fail(&second, "a second document; one file is one document")
	default:
		p.fail(brokenAt(text, err), "no YAML: %s", atLine.ReplaceAllString(err.Error(), ""))
	}
	return nil
}

// brokenAt is the begin of the line that an error of the library names.
func brokenAt(text []byte, err error) *yaml.Node {
	at := &yaml.Node{Line: 1, Column: 1}
	if m := atLine.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
		at.Line, _ = strconv.Atoi(m[1])
	}
	if lines := bytes.Split(text, []byte("\n")); at.Line <= len(lines) {
		line := lines[at.Line-1]
		at.Column += len(line) - len(bytes.TrimLeft(line, " "))
	}
	return at
}

// pairs calls f for each key and value of a mapping. A key may be there once.
func (p *parser) pairs(n *yaml.Node, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.fail(n, "%s where a mapping (name: value) must be", kindOf(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		text, ok := p.scalar(key)
		switch {
		case !ok:
		case seen[text]:
			p.fail(key, "%s is there twice", text)
		default:
			seen[text] = true
			f(key, value)
		}
	}
}

// object reads a part of the file by its keywords, and returns their values.
func (p *parser) object(n *yaml.Node, in string) (seen map[string]*yaml.Node) {
	seen = map[string]*yaml.Node{}
	var names []string
	reads := map[string]func(*parser, *yaml.Node){}
	for _, k := range Keywords() {
		if k.In == in {
			names = append(names, k.Name)
			reads[k.Name] = k.read
		}
	}
	p.pairs(n, func(key, value *yaml.Node) {
		read, known := reads[key.Value]
		if !known {
			p.fail(key, "%s is no keyword of %s; there are %s", key.Value, in, strings.Join(names, ", "))
			return
		}
		seen[key.Value] = value
		read(p, value)
	})
	return seen
}

// scalar is a text, number or word that is not blank.
func (p *parser) scalar(n *yaml.Node) (text string, ok bool) {
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
		return n.Value, true
	}
	return "", false
}

// matching is a text of a form; why says what is wrong with another.
func (p *parser) matching(n *yaml.Node, form *regexp.Regexp, why string) string {
	text, ok := p.scalar(n)
	if ok && !form.MatchString(text) {
		p.fail(n, "%s %s", text, why)
	}
	return text
}

// scalars is one text or a list of them.
func (p *parser) scalars(n *yaml.Node, least int) (texts []string) {
	if n.Kind != yaml.SequenceNode {
		if text, ok := p.scalar(n); ok && least > 1 {
			p.fail(n, "one text where a list must be")
		} else if ok {
			texts = []string{text}
		}
		return texts
	}
	if len(n.Content) < least {
		p.fail(n, "a list of %d where at least %d must be", len(n.Content), least)
	}
	for _, one := range n.Content {
		if text, ok := p.scalar(one); !ok {
			continue
		} else if slices.Contains(texts, text) {
			p.fail(one, "%s is there twice", text)
		} else {
			texts = append(texts, text)
		}
	}
	return texts
}

// yes reads the word true.
func (p *parser) yes(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Value != "true" {
		p.fail(n, "only true can stand here; leave the keyword out otherwise")
		return false
	}
	return true
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Tag == "!!null":
		return "nothing"
	}
	return "a text"
}

// unreachable names each profile that an earlier one leaves no record for.
func (p *parser) unreachable() {
	maps := 0
	for i := range p.file.profiles {
		later := &p.file.profiles[i]
		if !later.ignore {
			maps++
		}
		for j := range p.file.profiles[:i] {
			if earlier := &p.file.profiles[j]; earlier.covers(later) {
				p.fail(p.named[i], "the profile %s is never reached: %s, before it, fits every record that it fits", later.name, earlier.name)
				break
			}
		}
	}
	if maps == 0 && len(p.mistakes) == 0 {
		p.fail(&yaml.Node{Line: 1, Column: 1}, "no profile has fields: nothing would be sent")
	}
}

// covers reports whether a profile fits whatever the later one fits: each of its conditions
// follows from one of the later's.
func (p *profile) covers(later *profile) bool {
	for _, c := range p.when {
		if !slices.ContainsFunc(later.when, func(d condition) bool {
			return c.at.kind == d.at.kind && p.looksAt(c) == later.looksAt(d) &&
				!slices.ContainsFunc(d.is, func(is string) bool { return !slices.Contains(c.is, is) })
		}) {
			return false
		}
	}
	return true
}

// looksAt is where a condition looks, the same for two profiles if it is the same place.
func (p *profile) looksAt(c condition) string {
	if c.at.kind != fromValue || c.is == nil {
		return c.at.header
	}
	return fmt.Sprintf("%d %q", p.plan.prefix, p.pathOf(&c.at))
}
