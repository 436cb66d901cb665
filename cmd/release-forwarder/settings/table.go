package settings

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Setting describes one setting, as the table shows it.
type Setting struct {
	Name     string // the environment variable
	Type     string
	Default  string // "required" where there is none and there must be a value
	Bounds   string // empty: no bounds beyond the type's
	Meaning  string
	Secret   bool // its value is redacted wherever it is printed
	Required bool
	Group    Group
}

// field is a Setting with its place in Settings and what parsing it takes.
type field struct {
	Setting
	index   []int  // of the field in Settings, for reflect.Value.FieldByIndex
	deflt   string // text parsed where nothing is set; empty: the zero value stays
	min     string
	max     string
	choices []string
	tag     reflect.StructTag
}

// fields holds every setting in order, read once from the tags of Settings.
var fields = slices.Concat(groupFields()...)

// Table returns every setting in the order in which they are printed.
func Table() []Setting {
	table := make([]Setting, len(fields))
	for i, f := range fields {
		table[i] = f.Setting
	}
	return table
}

func groupFields() [][]field {
	var all [][]field
	t := reflect.TypeFor[Settings]()
	for i := range t.NumField() {
		if group := Group(t.Field(i).Tag.Get("group")); group != "" {
			all = append(all, structFields(t.Field(i).Type, []int{i}, group))
		}
	}
	return all
}

// structFields collects the settings of a struct and of the structs in it.
func structFields(t reflect.Type, at []int, group Group) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(slices.Clone(at), i)
		switch {
		case f.Tag.Get("envconfig") != "":
			all = append(all, describe(f, index, group))
		case f.Type.Kind() == reflect.Struct:
			all = append(all, structFields(f.Type, index, group)...)
		}
	}
	return all
}

// chooses is what the type of a choice must be: its values are listed beside them.
type chooses interface{ Choices() []string }

// describe reads the tags of one setting.
func describe(of reflect.StructField, index []int, group Group) field {
	tag := of.Tag
	f := field{
		Setting: Setting{
			Name:     tag.Get("envconfig"),
			Type:     tag.Get("type"),
			Meaning:  tag.Get("meaning"),
			Secret:   tag.Get("type") == kindSecret,
			Required: tag.Get("need") == "true",
			Group:    group,
		},
		index: index,
		deflt: tag.Get("default"),
		min:   tag.Get("min"),
		max:   tag.Get("max"),
		tag:   tag,
	}
	if f.Type == kindChoice {
		f.choices = reflect.Zero(of.Type).Interface().(chooses).Choices()
	}
	f.Default = cmp.Or(f.deflt, tag.Get("unset"), "none")
	if f.Required {
		f.Default = "required"
	}
	f.Bounds = f.bounds()
	return f
}

// bounds says in words what parse enforces.
func (f *field) bounds() string {
	switch {
	case len(f.choices) > 0:
		return strings.Join(f.choices, ", ")
	case f.min != "" && f.max != "":
		return fmt.Sprintf("%s to %s", f.min, f.max)
	case f.max != "":
		return fmt.Sprintf("above 0, at most %s", f.max)
	default:
		return kinds[f.Type].bounds
	}
}
