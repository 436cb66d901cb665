package deployments

import (
	"cmp"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/repo"

	"go.yaml.in/yaml/v3"
)

// objects are what an overlay consists of, by kind and name, as they stand. Beside them are, each under a name of its
// own, every container ("Container/" and its workload's and its own name) and every alert ("Alert/" and its name).
type objects map[string]map[string]any

func (all objects) add(name string, node *yaml.Node) error {
	var object map[string]any
	if err := node.Decode(&object); err != nil {
		return err
	}
	all[name] = object
	_, workload, _ := strings.Cut(name, "/")
	for _, path := range []string{"spec/template/spec/containers", "spec/jobTemplate/spec/template/spec/containers"} {
		containers, _ := at(object, path).([]any)
		for i := range containers {
			c, _ := containers[i].(map[string]any)
			all[fmt.Sprintf("Container/%s/%v", workload, c["name"])] = c
		}
	}
	groups, _ := at(object, "spec/groups").([]any)
	for _, g := range groups {
		rules, _ := at(g, "rules").([]any)
		for i := range rules {
			r, _ := rules[i].(map[string]any)
			all[fmt.Sprintf("Alert/%v", r["alert"])] = r
		}
	}
	return nil
}

// named has the names that begin so, in order.
func (all objects) named(prefix string) []string {
	var found []string
	for name := range all {
		if strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	return sorted(found)
}

// at is what stands at a path of names, of numbers in lists, and of name=value for the entry of a list that has it.
func at(object any, path string) any {
	for step := range strings.SplitSeq(path, "/") {
		switch in := object.(type) {
		case map[string]any:
			object = in[step]
		case []any:
			object = entry(in, step)
		default:
			return nil
		}
	}
	return object
}

func entry(list []any, step string) any {
	if key, value, is := strings.Cut(step, "="); is {
		for _, e := range list {
			if fmt.Sprint(at(e, key)) == value {
				return e
			}
		}
		return nil
	}
	if i, err := strconv.Atoi(step); err == nil && i < len(list) {
		return list[i]
	}
	return nil
}

// put sets what stands at a path.
func put(object map[string]any, path string, value any) {
	above, last, within := cut(path)
	if within {
		object, _ = at(object, above).(map[string]any)
	}
	object[last] = value
}

// cut parts the last step of a path from those before.
func cut(path string) (above, last string, within bool) {
	i := strings.LastIndex(path, "/")
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// unit is what an amount is counted in.
type unit int

const (
	plain   unit = iota
	seconds      // also of a text as "20s"
	millis       // written as milliseconds, shown as a time
	octets       // bytes: 1MiB, 128Mi, or a number
)

// amount is a number with the name that it is known by.
type amount struct {
	name string
	of   float64 // seconds of a time
	in   unit
}

// What is made of amounts is named by how it is made.

func (a amount) plus(b amount) amount { return amount{a.name + " + " + b.name, a.of + b.of, a.in} }

func (a amount) less(b amount) amount { return amount{a.name + " − " + b.name, a.of - b.of, a.in} }

func (a amount) times(k amount) amount {
	return amount{k.name + " × " + a.name, a.of * k.of, a.in}
}

// called gives the amount another name.
func (a amount) called(name string) amount { a.name = name; return a }

// number is an amount that needs no name but itself.
func number(of float64) amount { return amount{strconv.FormatFloat(of, 'g', -1, 64), of, plain} }

// duration is a time that is known by itself.
func duration(d time.Duration) amount {
	a := amount{"", d.Seconds(), seconds}
	return a.called(a.String())
}

func (a amount) String() string {
	switch a.in {
	case seconds, millis:
		return span(a.of)
	case octets:
		if a.of < 1<<20 {
			return fmt.Sprintf("%gKiB", a.of/(1<<10))
		}
		return fmt.Sprintf("%.4gMiB", a.of/(1<<20))
	}
	return strconv.FormatFloat(a.of, 'g', -1, 64)
}

// span writes seconds as 14d, 49h15m, 20s.
func span(of float64) string {
	d := time.Duration(of * float64(time.Second)).Round(time.Millisecond)
	if days := d / (24 * time.Hour); days >= 2 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", days)
	}
	return zeros.ReplaceAllString(d.String(), "$1")
}

var zeros = regexp.MustCompile(`([hm])(?:0m)?0s$`)

var suffixes = map[unit]map[string]float64{
	plain:   {"": 1},
	seconds: {"": 1, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400},
	millis:  {"": 1e-3},
	octets:  {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30},
}

var part = regexp.MustCompile(`^([0-9.]+)([A-Za-z]*)`)

// parse reads a text such as 1h30m, 115MiB or 3600.
func parse(text string, in unit) (of float64, err error) {
	for rest := text; rest != "" || text == ""; {
		m := part.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("%q is no amount", text)
		}
		factor, known := suffixes[in][m[2]]
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil || !known {
			return 0, fmt.Errorf("%q is no amount of this unit", text)
		}
		of += n * factor
		rest = rest[len(m[0]):]
	}
	return of, nil
}

// fit is an overlay with what its numbers are compared with.
type fit struct {
	*testing.T
	*overlay
}

// setting is what is in force of a setting: what the container is given, or the default of the code.
func (f fit) setting(name string, in unit) amount {
	f.Helper()
	text, given := f.settings[name]
	for _, e := range f.list("Container/release-forwarder/release-forwarder", "env") {
		if at(e, "name") == name {
			text, given = fmt.Sprint(at(e, "value")), true
		}
	}
	known := false
	for _, row := range settings.Table() {
		if row.Name == name {
			known = true
			if !given {
				text = row.Default
			}
		}
	}
	if !known {
		f.Fatalf("there is no setting %s", name)
	}
	return f.amount(name, text, in)
}

// value is what stands in an object, under the last name of its path.
func (f fit) value(object, path string, in unit) amount {
	f.Helper()
	found := at(f.objects[object], path)
	if found == nil {
		f.Fatalf("%s: %s has no %s", f.name, object, path)
	}
	_, name, _ := cut(path)
	return f.amount(name, fmt.Sprint(found), in)
}

func (f fit) amount(name, text string, in unit) amount {
	f.Helper()
	of, err := parse(text, in)
	if err != nil {
		f.Fatalf("%s: %v", name, err)
	}
	if in == millis {
		in = seconds
	}
	return amount{name, of, in}
}

func (f fit) list(object, path string) []any {
	found, _ := at(f.objects[object], path).([]any)
	return found
}

func (f fit) has(object string) bool { return f.objects[object] != nil }

// code is a constant of the program, as its source has it: it stands in an unexported name.
func (f fit) code(file, name string, in unit) amount {
	f.Helper()
	m := regexp.MustCompile(`(?m)^\s*(?:const )?` + name + `\s*=\s*(.*?)(?: //.*)?$`).FindStringSubmatch(repo.Read(f, file))
	if m == nil {
		f.Fatalf("%s has no constant %s", file, name)
	}
	text := regexp.MustCompile(`time\.Second`).ReplaceAllString(m[1], "1")
	value, err := types.Eval(token.NewFileSet(), nil, token.NoPos, text)
	if err != nil || value.Value == nil {
		f.Fatalf("%s: %s = %s: %v", file, name, m[1], err)
	}
	of, _ := constant.Float64Val(constant.ToFloat(value.Value))
	a := amount{"", of, in}
	return a.called(a.String())
}

// relation says how two amounts must stand to one another.
type relation struct {
	is   amount
	rel  string // ≥, >, ≤, <, =
	than amount
}

func (r relation) holds() bool {
	c := cmp.Compare(r.is.of, r.than.of)
	switch r.rel {
	case "≥":
		return c >= 0
	case ">":
		return c > 0
	case "≤":
		return c <= 0
	case "<":
		return c < 0
	}
	return c == 0
}

// room is how far the two are apart, as a share: the smaller, the nearer to break.
func (r relation) room() float64 {
	return max(r.is.of, r.than.of, 1e-9) / max(min(r.is.of, r.than.of), 1e-9)
}

func (r relation) String() string {
	return fmt.Sprintf("%s (%s) %s %s (%s)", r.is.name, r.is, r.rel, r.than.name, r.than)
}
