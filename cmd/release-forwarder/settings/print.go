package settings

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// printWidth is the width that Print keeps to: a narrow terminal's, or a ticket's.
const printWidth = 100

// nameWidth is the column of names, that of the longest and the space behind it.
var nameWidth = func() (width int) {
	for _, name := range settingNames {
		width = max(width, len(name)+2)
	}
	return width
}()

// Print writes the settings that differ from their defaults and those that must be
// set, in a line each: name, value in force (secrets as ***, a URL without its query)
// and the default. The others follow in few lines, with names and values. It works on the Settings that Load returns with an error too; a
// wrong value is shown as ***.
func (s *Settings) Print(w io.Writer) error {
	var b strings.Builder
	inForce := s.InForce()
	var others, empty []string
	for i, f := range fields {
		switch row := inForce[i]; {
		case f.Required:
			printRow(&b, row.Name, row.Value)
		case s.differs[f.Name] && f.hasDefault():
			printRow(&b, row.Name, row.Value+" (default: "+f.Default+")")
		case s.differs[f.Name]:
			printRow(&b, row.Name, row.Value)
		case row.Value == unset:
			empty = append(empty, row.Name)
		default:
			others = append(others, row.Name+"="+row.Value)
		}
	}
	for _, row := range inForce[len(fields):] {
		if row.Value != unset {
			printRow(&b, row.Name, row.Value)
		}
	}
	printList(&b, "By default (--all says what each means)", others)
	printList(&b, "Not set", empty)
	_, err := io.WriteString(w, b.String())
	return err
}

// PrintAll writes every setting: name and value in force as Print does, then its type,
// default and bounds, and its meaning.
func (s *Settings) PrintAll(w io.Writer) error {
	var b strings.Builder
	inForce := s.InForce()
	for i, f := range fields {
		printRow(&b, f.Name, inForce[i].Value)
		about := f.Type + ", "
		if f.Required {
			about += "required"
		} else {
			about += "default: " + f.Default
		}
		if f.Bounds != "" {
			about += ", bounds: " + f.Bounds
		}
		printRow(&b, "", about)
		printRow(&b, "", f.Meaning)
	}
	for _, row := range inForce[len(fields):] {
		printRow(&b, row.Name, row.Value)
		printRow(&b, "", "the proxy towards the platform; in small letters too")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printList writes a heading and words in as few lines as they take.
func printList(b *strings.Builder, heading string, words []string) {
	const indent = "  "
	b.WriteString("\n" + heading + ":\n")
	line := ""
	for _, word := range words {
		if line != "" && len(line)+1+len(word) > printWidth {
			b.WriteString(line + "\n")
			line = ""
		}
		line += cmp.Or(strings.Repeat(" ", min(len(line), 1)), indent) + word
	}
	b.WriteString(line + "\n")
}

// printRow writes a name and a text behind it, which goes on below itself.
func printRow(b *strings.Builder, name, text string) {
	for _, line := range wrapped(text, printWidth-nameWidth) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%s", nameWidth, name, line), " ") + "\n")
		name = ""
	}
}

// wrapped cuts a text into lines, at a space or behind a comma where there is one.
func wrapped(text string, width int) (lines []string) {
	rest := []rune(text)
	for len(rest) > width {
		at := width
		for at > 0 && rest[at] != ' ' && rest[at-1] != ',' {
			at--
		}
		if at == 0 {
			at = width
		}
		lines = append(lines, string(rest[:at]))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	return append(lines, string(rest))
}

// oneLine keeps a value from breaking the table.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// Markdown renders the table of all settings for docs/reference/settings.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| name | type | default | bounds | meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range fields {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Name, f.Type, markdownDefault(f), f.Bounds, f.Meaning)
	}
	return b.String()
}

// markdownDefault sets a real default apart from the words that stand for none.
func markdownDefault(f field) string {
	if f.hasDefault() {
		return "`" + f.Default + "`"
	}
	return f.Default
}

// hasDefault reports whether Default is a value and not words that stand for none.
func (f *field) hasDefault() bool { return f.deflt != "" || strings.HasPrefix(f.Default, "<") }
