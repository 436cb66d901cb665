package settings

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes every setting in a line of its own: name, value in force
// (secrets as ***, a URL without its query), type, default, bounds, meaning. It
// works on the Settings that Load returns with an error too; a wrong value is
// shown as ***.
func (s *Settings) Print(w io.Writer) error {
	var rows strings.Builder
	rows.WriteString("NAME\tVALUE\tTYPE\tDEFAULT\tBOUNDS\tMEANING\n")
	inForce := s.InForce()
	for i, f := range fields {
		row := inForce[i]
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Name, row.Value, f.Type, f.Default, cmp.Or(f.Bounds, "-"), f.Meaning)
	}
	for _, row := range inForce[len(fields):] {
		fmt.Fprintf(&rows, "%s\t%s\t-\tnone\t-\tthe proxy towards the platform; in small letters too\n", row.Name, row.Value)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	return table.Flush()
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
	if f.deflt != "" || strings.HasPrefix(f.Default, "<") {
		return "`" + f.Default + "`"
	}
	return f.Default
}
