package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	tablePage = "docs/development/drill.md"
	listPage  = "docs/development/drill-commands.md"
)

// write puts the table into its page, between the marks, and the commands into theirs.
func write(c config, rows []found, typed []typed, a account) error {
	return errors.Join(replaced(filepath.Join(c.root, tablePage), table(c, rows, a)), replaced(filepath.Join(c.root, listPage), list(c, typed)))
}

// replaced writes between the marks of a page.
func replaced(page, text string) error {
	whole, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- measured:begin -->\n", "<!-- measured:end -->"
	before, rest, found := strings.Cut(string(whole), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no place for what was measured", page)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+text+"\n"+end+after), 0o644)
}

// of says what was measured where.
func (c config) of() string {
	return fmt.Sprintf("%s, commit %s, %s/%s, %d cores.", time.Now().UTC().Format(time.DateOnly), c.commit, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

func table(c config, rows []found, a account) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d troubles; in the end: %s.\n\n", c.of(), len(rows), a)
	b.WriteString("| trouble | alert | true after | fires after | the page's first sentence | runbook | alert to well | trouble to well | commands | stand-in |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range rows {
		for i, r := range row.alerts {
			fires := r.after + r.For
			runbook := fmt.Sprintf("[%s](../../deployments/runbooks/%s.md)", r.Runbook, r.Runbook)
			if i > 0 {
				fmt.Fprintf(&b, "| | %s (%s) | %.0f s | %.1f min | | %s | | | | |\n", r.Name, r.Severity, r.after.Seconds(), fires.Minutes(), runbook)
				continue
			}
			fmt.Fprintf(&b, "| %s | %s (%s) | %.0f s | %.1f min | %s | %s | %.1f min | %.1f min | %d | %s |\n", row.trouble.name, r.Name, r.Severity, r.after.Seconds(),
				fires.Minutes(), row.says, runbook, row.toWell.Minutes(), (fires + row.toWell).Minutes(), row.commands, row.trouble.standIn)
		}
	}
	return b.String()
}

func list(c config, all []typed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d commands.\n", c.of(), len(all))
	trouble := ""
	cell := strings.NewReplacer("|", `\|`, "`", "'")
	for _, t := range all {
		if t.trouble != trouble {
			trouble = t.trouble
			fmt.Fprintf(&b, "\n## %s\n\n| as | command | result | of |\n| --- | --- | --- | --- |\n", strings.ToUpper(trouble[:1])+trouble[1:])
		}
		fmt.Fprintf(&b, "| %s | `%s` | `%s` | [%s](../../%s) |\n", t.role, cell.Replace(t.command), cell.Replace(t.result), t.heading, t.page)
	}
	return b.String()
}
