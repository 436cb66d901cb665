package mapping

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxProfiles bounds the profiles, which are tried one after the other.
const maxProfiles = 100

func (p *parser) profiles(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fail(n, "%s where a list of profiles must be", kindOf(n))
		return
	}
	if len(n.Content) > maxProfiles {
		p.fail(n.Content[maxProfiles], "more than %d profiles", maxProfiles)
		return
	}
	for _, one := range n.Content {
		p.profile = &profile{plan: &p.file.plans[0]}
		p.finishProfile(one, p.object(one, inProfile))
		p.file.profiles = append(p.file.profiles, *p.profile)
		p.file.Profiles = append(p.file.Profiles, p.profile.name)
		if p.profile.ignore {
			p.file.Ignoring = append(p.file.Ignoring, p.profile.name)
		}
		p.named = append(p.named, one)
	}
}

// finishProfile judges what a profile's keywords are together.
func (p *parser) finishProfile(n *yaml.Node, seen map[string]*yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	switch {
	case seen["name"] == nil:
		p.fail(n, "the profile has no name")
	case slices.ContainsFunc(p.file.profiles, func(other profile) bool { return other.name == p.profile.name && other.name != "" }):
		p.fail(seen["name"], "a second profile with the name %s", p.profile.name)
	}
	switch {
	case seen["ignore"] == nil && seen["fields"] == nil:
		p.fail(n, "the profile has neither fields nor ignore")
	case seen["ignore"] != nil && seen["fields"] != nil:
		p.fail(seen["ignore"], "a profile with fields cannot ignore its records")
	case seen["ignore"] != nil && seen["when"] == nil:
		p.fail(seen["ignore"], "without when every record would be ignored")
	}
}

func (p *parser) event(n *yaml.Node) {
	if s := p.source(n); s != nil && s.kind != fromValue {
		p.fail(n, "the event lies in the value: a path must be here")
	} else {
		p.profile.event = s
	}
}

func (p *parser) prefix(n *yaml.Node) {
	if text, ok := p.scalar(n); ok && text != "confluent" {
		p.fail(n, "%s is no prefix that is known; there is confluent", text)
	}
	p.profile.plan = &p.file.plans[1]
}

func (p *parser) when(n *yaml.Node) {
	p.object(n, inWhen)
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		p.fail(n, "no condition; leave when out if the profile fits every record")
	}
	slices.SortStableFunc(p.profile.when, func(a, b condition) int { return int(a.at.kind) - int(b.at.kind) }) // cheap ones first
}

func (p *parser) condition(c condition) { p.profile.when = append(p.profile.when, c) }

func (p *parser) whenTopic(n *yaml.Node) {
	topics := p.scalars(n, 1)
	p.condition(condition{is: topics})
	p.file.Topics = once(p.file.Topics, topics...)
}

// once adds the names that are not there.
func once(all []string, names ...string) []string {
	for _, name := range names {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func (p *parser) whenHeader(n *yaml.Node) {
	p.pairs(n, func(key, value *yaml.Node) {
		p.condition(condition{at: source{kind: fromHeader, header: key.Value}, is: p.scalars(value, 1)})
	})
}

func (p *parser) whenValue(n *yaml.Node) {
	if n.Tag == "!!null" {
		p.condition(condition{at: source{kind: fromValue}})
		return
	}
	p.pairs(n, func(key, value *yaml.Node) {
		is := p.scalars(value, 1)
		if s := p.source(key); s != nil && s.kind != fromValue {
			p.fail(key, "a path must be here")
		} else if s != nil {
			p.condition(condition{*s, is})
		}
	})
}

// source reads one source; nil after a mistake.
func (p *parser) source(n *yaml.Node) *source {
	text, ok := p.scalar(n)
	if !ok {
		return nil
	}
	s, err := sourceOf(text)
	if err != nil {
		p.fail(n, "%s", err)
		return nil
	}
	return &s
}

func (p *parser) fields(n *yaml.Node) {
	e := p.file.Endpoint
	rules := make([]*rule, len(e.Fields))
	p.pairs(n, func(key, value *yaml.Node) {
		at := e.place(key.Value)
		if at < 0 {
			p.fail(key, "%s is no field of the endpoint; there are %s", key.Value, strings.Join(e.Names(), ", "))
			return
		}
		p.rule, p.codes = &rule{field: e.Fields[at], place: at}, newCodes()
		p.finishRule(value, p.object(value, inRule))
		rules[at] = p.rule
	})
	for at, r := range rules {
		if r != nil {
			p.profile.rules = append(p.profile.rules, *r)
		} else if e.Fields[at].Required && n.Kind == yaml.MappingNode {
			p.fail(n, "%s is missing: the endpoint needs it", e.Fields[at].Name)
		}
	}
}

// finishRule judges what a rule's keywords are together.
func (p *parser) finishRule(n *yaml.Node, seen map[string]*yaml.Node) {
	r := p.rule
	if n.Kind != yaml.MappingNode {
		return
	}
	name, kind := r.field.Name, r.field.Kind
	refuse := func(keyword string, wrong bool, why string) {
		if at := seen[keyword]; at != nil && wrong {
			p.fail(at, "%s: %s", keyword, why)
		}
	}
	given := 0
	for _, keyword := range []string{"from", "join", "const"} {
		if seen[keyword] != nil {
			given++
		}
	}
	if given != 1 {
		p.fail(n, "%s needs just one of from, join and const", name)
	}
	ordered := slices.Contains(p.file.Endpoint.Order, name)
	form, _ := r.time.(layout)
	fixed := seen["const"] != nil
	refuse("const", ordered, name+" is of the order key: all events would wait for one another")
	refuse("const", kind == Time, name+" is a time")
	refuse("join", kind != Text, name+" is no text")
	refuse("digits", kind != Text || fixed, "of no use here")
	refuse("codes", kind == Time || fixed, "of no use here")
	refuse("otherwise", seen["codes"] == nil, "of no use without codes")
	refuse("otherwise", ordered, name+" is of the order key: all events of other codes would wait for one another")
	lot := p.file.Endpoint.Order[0]
	refuse("lookup", name != lot, "the lot ("+lot+") alone is looked up; of another field's codes, codes says what is sent")
	refuse("lookup", seen["codes"] != nil, "of no use with codes")
	refuse("time", kind != Time, name+" is no time")
	refuse("zone", kind != Time, name+" is no time")
	refuse("zone", r.time == timeForms["unix-seconds"] || r.time == timeForms["unix-millis"] || form.has('X'), "of no use: the time names an instant")
	switch {
	case seen["codes"] != nil:
		r.codes = p.codes
	case !fixed:
		r.codes = r.field.codes
	}
	for _, k := range Keywords() { // as they are told to people
		switch n := seen[k.Name]; {
		case n == nil || k.In != inRule || k.Name == "from":
		case n.Kind == yaml.ScalarNode && k.Name != "digits" && k.Name != "required":
			r.words = append(r.words, k.Name+" "+n.Value)
		default:
			r.words = append(r.words, k.Name)
		}
	}
}

// sent is what is sent instead of a text: of a field of codes one of the API's.
func (p *parser) sent(n *yaml.Node) string {
	text, ok := p.scalar(n)
	if f := p.rule.field; ok && f.Kind == Code && f.codes.byName[text] != text {
		p.fail(n, "%s is no code of %s; there are %s", text, f.Name, f.codes.forms())
	}
	return text
}

func (p *parser) sources(n *yaml.Node, least int) (all []source) {
	if n.Kind != yaml.SequenceNode && least == 1 {
		n = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{n}}
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) < least {
		p.fail(n, "%d or more sources must be here, as a list", least)
		return nil
	}
	for _, one := range n.Content {
		if s := p.source(one); s != nil {
			all = append(all, *s)
		}
	}
	return all
}

// vendorCodes reads the codes of a vendor, each with what is sent for it.
func (p *parser) vendorCodes(n *yaml.Node) {
	p.pairs(n, func(key, value *yaml.Node) {
		name := strings.ToLower(key.Value)
		if _, twice := p.codes.byName[name]; twice {
			p.fail(key, "%s is there twice, but for upper and lower case", key.Value)
		}
		p.codes.byName[name] = p.sent(value)
	})
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		p.fail(n, "no code")
	}
}

func (p *parser) time(n *yaml.Node) {
	text, ok := p.scalar(n)
	if !ok {
		return
	}
	if p.rule.time = timeForms[text]; p.rule.time != nil {
		return
	}
	l, err := layoutOf(text)
	if err != nil {
		p.fail(n, "%s is neither unix-seconds, unix-millis, unix-millis-local nor a layout: %s", text, err)
		return
	}
	p.rule.time = l
}

func (p *parser) zone(n *yaml.Node) {
	name, ok := p.scalar(n)
	if !ok {
		return
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		p.fail(n, "%s is no time zone; give an IANA name such as Asia/Urumqi or UTC", name)
		return
	}
	p.rule.zone = zone
}
