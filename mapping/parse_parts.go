package mapping

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// list are the parts of a list, at most so many.
func (p *parser) list(n *yaml.Node, most int, of string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > most {
		p.fail(n, "a list of 1 to %d %s must be here", most, of)
		return nil
	}
	return n.Content
}

func (p *parser) profiles(n *yaml.Node) {
	f := p.file
	for _, one := range p.list(n, 100, "profiles") { // they are tried one after the other
		p.profile = &profile{plan: &f.plans[0]}
		if seen := p.object(one, inProfile); seen != nil {
			p.finishProfile(one, seen)
		}
		f.profiles, f.Profiles, p.named = append(f.profiles, *p.profile), append(f.Profiles, p.profile.name), append(p.named, one)
		if p.profile.ignore {
			f.Ignoring = append(f.Ignoring, p.profile.name)
		}
	}
}

// finishProfile judges what a profile's keywords are together.
func (p *parser) finishProfile(n *yaml.Node, seen map[string]*yaml.Node) {
	name, when, fields, ignore := seen["name"], seen["when"], seen["fields"], seen["ignore"]
	p.failIf(name == nil, n, "the profile has no name")
	p.failIf(slices.Contains(once(nil, p.file.Profiles...), p.profile.name), name, "a second profile with the name %s", p.profile.name)
	p.failIf(fields == nil && ignore == nil, n, "the profile has neither fields nor ignore")
	p.failIf(fields != nil, ignore, "a profile with fields cannot ignore its records")
	p.failIf(fields == nil && when == nil, ignore, "without when every record would be ignored")
}

func (p *parser) event(n *yaml.Node) {
	p.profile.event = p.source(n)
	p.failIf(p.profile.event != nil && p.profile.event.kind != fromValue, n, "the event lies in the value: a path must be here")
}

func (p *parser) prefix(n *yaml.Node) {
	text := p.scalar(n)
	p.failIf(text != "" && text != "confluent", n, "%s is no prefix that is known; there is confluent", text)
	p.profile.plan = &p.file.plans[1]
}

func (p *parser) when(n *yaml.Node) {
	p.object(n, inWhen)
	p.failIf(n.Kind == yaml.MappingNode && len(n.Content) == 0, n, "no condition; leave when out if the profile fits every record")
	slices.SortStableFunc(p.profile.when, func(a, b condition) int { return int(a.at.kind) - int(b.at.kind) }) // cheap ones first
}

func (p *parser) condition(at source, is []string) {
	p.profile.when = append(p.profile.when, condition{at, is})
}

func (p *parser) whenTopic(n *yaml.Node) {
	topics := p.scalars(n, 1)
	p.condition(source{}, topics)
	p.file.Topics = once(p.file.Topics, topics...)
}

func (p *parser) whenHeader(n *yaml.Node) {
	p.pairs(n, func(key, value *yaml.Node) {
		p.condition(source{kind: fromHeader, header: key.Value}, p.scalars(value, 1))
	})
}

func (p *parser) whenValue(n *yaml.Node) {
	if n.Tag == "!!null" {
		p.condition(source{kind: fromNothing}, nil)
		return
	}
	p.pairs(n, func(key, value *yaml.Node) {
		is := p.scalars(value, 1)
		if s := p.source(key); s != nil {
			p.failIf(s.kind != fromValue, key, "a path must be here")
			p.condition(*s, is)
		}
	})
}

// source reads one source; nil after a mistake.
func (p *parser) source(n *yaml.Node) *source {
	text := p.scalar(n)
	if text == "" {
		return nil
	}
	s, err := sourceOf(text)
	if err != nil {
		p.fail(n, "%s", err)
		return nil
	}
	return &s
}

func (p *parser) sources(n *yaml.Node, least int) (all []source) {
	for _, one := range p.items(n, least) {
		if s := p.source(one); s != nil {
			all = append(all, *s)
		}
	}
	return all
}

func (p *parser) fields(n *yaml.Node) {
	e := p.file.Endpoint
	rules := make([]rule, len(e.Fields))
	is := p.pairs(n, func(key, value *yaml.Node) {
		at := e.place(key.Value)
		if at < 0 {
			p.fail(key, "%s is no field of the endpoint; there are %s", key.Value, strings.Join(e.Names(), ", "))
			return
		}
		rules[at] = rule{field: e.Fields[at], place: at, time: builtInForm}
		p.rule, p.codes = &rules[at], &codeList{byName: map[string]string{}}
		if seen := p.object(value, inRule); seen != nil {
			p.finishRule(value, seen)
		}
	})
	for at, f := range e.Fields {
		p.failIf(is && f.Required && rules[at].time == nil, n, "%s is missing: the endpoint needs it", f.Name)
	}
	p.profile.rules = slices.DeleteFunc(rules, func(r rule) bool { return r.time == nil })
}

// finishRule judges what a rule's keywords are together.
func (p *parser) finishRule(n *yaml.Node, seen map[string]*yaml.Node) {
	r, order := p.rule, p.file.Endpoint.Order
	name, kind := r.field.Name, r.field.Kind
	given := slices.DeleteFunc([]string{"from", "join", "const"}, func(keyword string) bool { return seen[keyword] == nil })
	p.failIf(len(given) != 1, n, "%s needs just one of from, join and const", name)
	ordered, fixed := slices.Contains(order, name), seen["const"] != nil
	p.failIf(ordered, seen["const"], "const: %s is of the order key: all events would wait for one another", name)
	p.failIf(kind == Time, seen["const"], "const: %s is a time", name)
	p.failIf(kind != Text, seen["join"], "join: %s is no text", name)
	p.failIf(kind != Text || fixed, seen["digits"], "digits: of no use here")
	p.failIf(kind == Time || fixed, seen["codes"], "codes: of no use here")
	p.failIf(seen["codes"] == nil, seen["otherwise"], "otherwise: of no use without codes")
	p.failIf(ordered, seen["otherwise"],
		"otherwise: %s is of the order key: all events of other codes would wait for one another", name)
	p.failIf(name != order[0], seen["lookup"],
		"lookup: the lot (%s) alone is looked up; of another field's codes, codes says what is sent", order[0])
	p.failIf(seen["codes"] != nil, seen["lookup"], "lookup: of no use with codes")
	p.failIf(kind != Time, seen["time"], "time: %s is no time", name)
	p.failIf(kind != Time, seen["zone"], "zone: %s is no time", name)
	p.failIf(r.time.instant, seen["zone"], "zone: of no use: the time names an instant")
	if r.codes = r.field.codes; seen["codes"] != nil {
		r.codes = p.codes
	}
	p.file.Lookups = once(p.file.Lookups, r.lookup)
	for _, k := range Keywords() { // as they are told to people
		n, word := seen[k.Name], k.Name
		if n == nil || k.In != inRule || k.Name == "from" {
			continue
		}
		if n.Kind == yaml.ScalarNode && k.Takes != "`true`" {
			word += " " + n.Value
		}
		r.words = append(r.words, word)
	}
}

// sent is what is sent instead of a text: of a field of codes one of the API's.
func (p *parser) sent(n *yaml.Node) string {
	text := p.scalar(n)
	if f := p.rule.field; text != "" && f.Kind == Code && f.codes.byName[text] != text {
		p.fail(n, "%s is no code of %s; there are %s", text, f.Name, f.codes.forms())
	}
	return text
}

// vendorCodes reads the codes of a vendor, each with what is sent for it.
func (p *parser) vendorCodes(n *yaml.Node) {
	p.codesOf(n, func(key, value *yaml.Node) (code string, names []string) { return p.sent(value), []string{key.Value} })
}

// endpointCodes reads the codes of the API, each with its names.
func (p *parser) endpointCodes(n *yaml.Node) {
	p.codesOf(n, func(key, value *yaml.Node) (code string, names []string) {
		return key.Value, append([]string{key.Value}, p.scalars(value, 0)...)
	})
}

// codesOf reads codes; read tells what is sent for which names.
func (p *parser) codesOf(n *yaml.Node, read func(key, value *yaml.Node) (code string, names []string)) {
	is := p.pairs(n, func(key, value *yaml.Node) {
		code, names := read(key, value)
		for _, name := range names {
			_, twice := p.codes.byName[strings.ToLower(name)]
			p.failIf(twice, key, "%s is there twice; upper and lower case are the same", name)
			p.codes.byName[strings.ToLower(name)] = code
		}
	})
	p.failIf(is && len(n.Content) == 0, n, "no code")
}

func (p *parser) time(n *yaml.Node) {
	text := p.scalar(n)
	form, known := timeForms[text]
	if !known && text != "" {
		var err error
		if form, err = layoutOf(text); err != nil {
			p.fail(n, "%s is neither unix-seconds, unix-millis, unix-millis-local nor a layout: %s", text, err)
		}
	}
	p.rule.time = cmp.Or(form, builtInForm)
}

func (p *parser) zone(n *yaml.Node) {
	name := p.scalar(n)
	zone, err := time.LoadLocation(name)
	p.failIf(err != nil || name == "Local", n, "%s is no time zone; give an IANA name such as Asia/Urumqi or UTC", name)
	p.rule.zone = zone
}
