package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	tablePage = "docs/development/drill.md"
	listPage  = "docs/development/drill-commands.md"
	begin     = "<!-- measured:begin -->\n"
	end       = "<!-- measured:end -->"
)

// write puts the tables into their page, between the marks, and the commands into theirs. What was not run stays as it stands there, with
// its commit; what has failed goes.
func write(c config, rows []found, failed []string, typed []typed, a account) error {
	ran := map[string]string{}
	for _, row := range rows {
		ran[row.trouble.name] = c.row(row)
	}
	tables := merged(ran, failed, func(text string) map[string]string { return parts(text, rowName) })
	commands := merged(c.commands(rows, typed), failed, func(text string) map[string]string { return parts(text, sectionName) })
	return errors.Join(
		replaced(filepath.Join(c.root, tablePage), func(before string) string {
			now := tables(before)
			text := troublesHead + inOrder(troubles, now, "\n") + "\n" + roundsHead + inOrder(rounds, now, "\n")
			return c.runs(before, text, len(rows), a) + "\n" + text
		}),
		replaced(filepath.Join(c.root, listPage), func(before string) string {
			return inOrder(slices.Concat(troubles, rounds), commands(before), "\n\n")
		}))
}

const (
	troublesHead = "| trouble | alert | true after | fires after | the page's first sentence | runbook | alert to well | trouble to well | commands | stand-in | commit |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
	roundsHead = "| round | pages | first command to well | commands | stand-in | commit |\n| --- | --- | --- | --- | --- | --- |\n"
)

// runs are those that the tables' rows are from, one a line: what is said of the earlier ones stays while they have rows.
func (c config) runs(before, tables string, ran int, a account) string {
	var b strings.Builder
	for line := range strings.Lines(before) {
		_, rest, is := strings.Cut(line, ", commit ")
		if commit, _, _ := strings.Cut(rest, ","); is && strings.HasPrefix(line, "- ") && strings.Contains(tables, "| "+commit+" |") {
			b.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "- %s, commit %s, %s/%s, %d cores: %d troubles and rounds; in the end: %s.\n", time.Now().UTC().Format(time.DateOnly), c.commit, runtime.GOOS,
		runtime.GOARCH, runtime.NumCPU(), ran, a)
	return b.String()
}

// merged gives what stands on a page with what has run in its place, by name.
func merged(ran map[string]string, failed []string, parts func(text string) map[string]string) func(before string) map[string]string {
	return func(before string) map[string]string {
		all := parts(before)
		for _, name := range failed {
			delete(all, name)
		}
		for name, text := range ran {
			all[name] = text
		}
		return all
	}
}

// parts takes a page apart into what stands under each name; name gives "" for a line that goes on, and for a table's head.
func parts(text string, name func(line string) (name string, head bool)) map[string]string {
	all, now := map[string]string{}, ""
	for line := range strings.Lines(text) {
		n, head := name(line)
		if head || n != "" {
			now = n
		}
		if now != "" {
			all[now] += line
		}
	}
	return all
}

// rowName is the first cell of a row, "" where the row before goes on.
func rowName(line string) (name string, head bool) {
	cells := strings.SplitN(line, "|", 3)
	if len(cells) < 3 {
		return "", true
	}
	name = strings.TrimSpace(cells[1])
	if head = name == "trouble" || name == "round" || name == "---"; head {
		name = ""
	}
	return name, head
}

func sectionName(line string) (name string, head bool) {
	title, is := strings.CutPrefix(strings.TrimSpace(line), "## ")
	for _, t := range slices.Concat(troubles, rounds) {
		if is && title == titled(t.name) {
			return t.name, false
		}
	}
	return "", is
}

func titled(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func inOrder(list []trouble, texts map[string]string, apart string) string {
	var b strings.Builder
	for _, t := range list {
		if text := strings.TrimSpace(texts[t.name]); text != "" {
			b.WriteString(text + apart)
		}
	}
	return b.String()
}

// replaced writes between the marks of a page what is made of what stands there.
func replaced(page string, text func(before string) string) error {
	whole, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(whole), begin)
	was, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no place for what was measured", page)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+strings.TrimSpace(text(was))+"\n\n"+end+after), 0o644)
}

// row is what was measured of a trouble, or of a round.
func (c config) row(row found) string {
	if len(row.trouble.alerts) == 0 {
		return fmt.Sprintf("| %s | %s | %.1f min | %d | %s | %s |\n", row.trouble.name, pages(row.trouble), row.toWell.Minutes(), row.commands, row.trouble.standIn, c.commit)
	}
	var b strings.Builder
	for i, r := range row.alerts {
		fires := r.after + r.For
		runbook := fmt.Sprintf("[%s](../../deployments/runbooks/%s.md)", r.Runbook, r.Runbook)
		if i > 0 {
			fmt.Fprintf(&b, "| | %s (%s) | %.0f s | %.1f min | | %s | | | | | |\n", r.Name, r.Severity, r.after.Seconds(), fires.Minutes(), runbook)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s (%s) | %.0f s | %.1f min | %s | %s | %.1f min | %.1f min | %d | %s | %s |\n", row.trouble.name, r.Name, r.Severity, r.after.Seconds(),
			fires.Minutes(), row.says, runbook, row.toWell.Minutes(), (fires + row.toWell).Minutes(), row.commands, row.trouble.standIn, c.commit)
	}
	return b.String()
}

// pages links those that a round follows, each once, without the ones that open and close the tools.
func pages(t trouble) string {
	var links []string
	for _, s := range t.cure {
		if s.others == nil && s.page != viewer.page {
			link := fmt.Sprintf("[%s](../../%s)", strings.TrimSuffix(filepath.Base(s.page), ".md"), s.page)
			if !slices.Contains(links, link) {
				links = append(links, link)
			}
		}
	}
	return strings.Join(links, ", ")
}

// commands are the sections of the list, by the trouble's name.
func (c config) commands(rows []found, all []typed) map[string]string {
	sections := map[string]string{}
	cell := strings.NewReplacer("|", `\|`, "`", "'")
	for _, row := range rows {
		var b strings.Builder
		fmt.Fprintf(&b, "\n## %s\n\nCommit %s.\n\n| as | command | result | of |\n| --- | --- | --- | --- |\n", titled(row.trouble.name), c.commit)
		for _, t := range all {
			if t.trouble == row.trouble.name {
				result := cell.Replace(t.result)
				if strings.HasPrefix(result, group) { // a group's line, which would be taken for a command of the program
					result = "… " + result
				}
				fmt.Fprintf(&b, "| %s | `%s` | `%s` | [%s](../../%s) |\n", t.role, cell.Replace(t.command), result, t.heading, t.page)
			}
		}
		sections[row.trouble.name] = b.String()
	}
	return sections
}
