package telemetry

import (
	"fmt"
	"strings"
)

// Reference returns the table of metrics as Markdown, for docs/reference/metrics.md.
func Reference() string {
	var out strings.Builder
	out.WriteString("| metric | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, row := range Table() {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n",
			row.FullName(), row.Kind, strings.Trim(row.Unit, "{}"), referenceLabels(row.Labels), row.Meaning)
	}
	return out.String()
}

func referenceLabels(labels []Label) string {
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = "`" + l.Name + "`"
		if len(l.Values) > 0 {
			parts[i] += ": " + strings.Join(l.Values, ", ")
		}
	}
	return strings.Join(parts, "; ")
}
