package settings

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// Wrong is one wrong setting.
type Wrong struct {
	Name string // the environment variable
	Text string // what is wrong and the remedy, in one line
	Near string // the setting that was probably meant, where Name is none
}

// String returns the line for the operator.
func (w Wrong) String() string {
	if w.Near == "" {
		return w.Name + ": " + w.Text
	}
	return strings.TrimSpace(fmt.Sprintf("unknown setting %s; did you mean %s? %s", w.Name, w.Near, w.Text))
}

// Invalid is the error of a wrong configuration. It holds every mistake, in the
// table's order.
type Invalid struct{ Settings []Wrong }

// Error returns one line for each wrong setting.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Settings))
	for i, w := range e.Settings {
		lines[i] = w.String()
	}
	return strings.Join(lines, "\n")
}

// Warning is something that is allowed but probably not intended. It has the form
// of Wrong.
type Warning Wrong

// String returns the line for the operator, which begins with the name.
func (w Warning) String() string { return Wrong(w).String() }

// Load reads the settings of groups from the process's environment and judges
// them; with no groups, all there are. Settings of other groups keep their zero
// values and are not looked at. A variable that is empty or blank counts as not
// set, and blank space around a value never counts.
//
// The error is an [*Invalid]. The Settings returned with it hold what could be
// read and are good for [Settings.Print] and [Settings.PrintAll] alone.
//
// The environment is the process's own and no parameter, since envconfig looks
// nowhere else; tests use t.Setenv.
func Load(groups ...Group) (*Settings, []Warning, error) {
	l := &loader{
		s:       &Settings{shown: make(map[string]string), differs: make(map[string]bool)},
		all:     len(groups) == 0,
		groups:  groups,
		answers: make(map[string]*answer),
	}
	l.read()
	l.judgeNames(os.Environ())
	l.judge()
	if len(l.wrong) > 0 {
		slices.SortStableFunc(l.wrong, func(a, b Wrong) int { return cmp.Compare(position(a.Name), position(b.Name)) })
		return l.s, l.warnings, &Invalid{l.wrong}
	}
	return l.s, l.warnings, nil
}

// loader collects what one Load finds.
type loader struct {
	s        *Settings
	all      bool
	groups   []Group
	answers  map[string]*answer // of the groups loaded, by name
	wrong    []Wrong
	warnings []Warning
}

// read fills the Settings by envconfig.
//
// envconfig stops at the first error, puts values (secrets too) into its texts,
// and takes an empty variable for set. So it is not given the Settings but a
// struct made from the same tags, whose fields are answers: they never fail,
// keep their errors, and know their default.
func (l *loader) read() {
	var spec []reflect.StructField
	var answers []*answer
	for _, f := range fields {
		if !l.loads(f.Group) {
			continue
		}
		a := &answer{field: f, target: reflect.ValueOf(l.s).Elem().FieldByIndex(f.index)}
		l.answers[f.Name] = a
		answers = append(answers, a)
		spec = append(spec, reflect.StructField{Name: "X" + f.Name, Type: reflect.TypeFor[*answer](), Tag: f.tag})
	}
	record := reflect.New(reflect.StructOf(spec))
	for i, a := range answers {
		record.Elem().Field(i).Set(reflect.ValueOf(a))
	}
	if err := envconfig.Process("", record.Interface()); err != nil {
		panic("settings: no answer fails and none is required: " + err.Error())
	}
	for _, a := range answers {
		l.s.shown[a.Name] = a.shown
		l.s.differs[a.Name] = a.err != nil || a.shown != a.deflt
		switch {
		case a.err != nil:
			l.refuse(a.Name, "%s", a.err)
		case a.Required && !a.given:
			l.refuse(a.Name, "is required; set it")
		}
	}
}

// loads reports whether the groups asked for include group.
func (l *loader) loads(group Group) bool {
	return l.all || slices.Contains(l.groups, group)
}

// refuse notes a mistake; the first of a setting is enough. The wrong value is not
// shown: it may be a secret that was put in the wrong place.
func (l *loader) refuse(name, format string, args ...any) {
	if l.refused(name) {
		return
	}
	if l.s.shown[name] != "" {
		l.s.shown[name] = redacted
	}
	l.wrong = append(l.wrong, Wrong{Name: name, Text: fmt.Sprintf(format, args...)})
}

func (l *loader) warn(name, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{Name: name, Text: fmt.Sprintf(format, args...)})
}

// given reports whether the operator has set the name to something.
func (l *loader) given(name string) bool {
	a := l.answers[name]
	return a != nil && a.given
}

// right reports whether all names are loaded and nothing is wrong with any so
// far: what judges several settings together must not judge a broken one.
func (l *loader) right(names ...string) bool {
	for _, n := range names {
		if l.answers[n] == nil || l.refused(n) {
			return false
		}
	}
	return true
}

func (l *loader) refused(name string) bool {
	return slices.ContainsFunc(l.wrong, func(w Wrong) bool { return w.Name == name })
}

// position orders mistakes as the table; names that are no settings come last.
func position(name string) int {
	if i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name }); i >= 0 {
		return i
	}
	return len(fields)
}

// answer takes the text of one setting from envconfig.
type answer struct {
	field
	target reflect.Value
	given  bool   // the operator set it, not the default
	shown  string // the value as it may be printed; empty: not set
	err    error
}

// text cleans a variable's text.
func (a *answer) text(given string) (string, error) {
	if !strings.HasPrefix(a.Type, "list of ") {
		return Text(given)
	}
	return listText(given)
}

// Decode implements [envconfig.Decoder]. It is called with the variable's text,
// the default, or not at all where there is neither.
func (a *answer) Decode(text string) error {
	text, err := a.text(text)
	if err != nil {
		a.given, a.shown, a.err = true, redacted, err
		return nil //nolint:nilerr // kept, so that envconfig goes on to the next
	}
	own, _ := a.text(os.Getenv(a.Name))
	a.given = own != "" // the text may be the default
	if text = cmp.Or(text, a.deflt); text == "" {
		return nil
	}
	k := kinds[a.Type]
	a.shown = text
	if k.show != nil {
		a.shown = k.show(text)
	}
	value, err := k.parse(&a.field, text)
	if err != nil {
		a.err = err
		return nil //nolint:nilerr // kept, so that envconfig goes on to the next
	}
	v := reflect.ValueOf(value)
	if v.Type() != a.target.Type() {
		v = v.Convert(a.target.Type()) // a string of a type with named values
	}
	a.target.Set(v)
	return nil
}
