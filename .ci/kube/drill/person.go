package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"release-forwarder/cmd/testkit/markdown"
)

// blockLimit bounds one block of a page.
const blockLimit = 6 * time.Minute

// person is who was woken. He knows Kubernetes, has kubectl and the pages, and does what they say.
type person struct {
	root    string
	home    string            // where he is: his files
	env     []string          // kubectl in PATH, KUBECONFIG
	values  map[string]string // of the pages' placeholders
	trouble string
	typed   []typed
}

// typed is one command line of a page that was run.
type typed struct {
	trouble, page, heading, command, role, result string
}

var (
	assignment = regexp.MustCompile(`^([A-Z][A-Z_0-9]*)=`)
	marked     = regexp.MustCompile("\x1e([0-9]+)\x1f")
)

// follow runs the blocks under a heading of a page of the repository as they stand there.
func (p *person) follow(ctx context.Context, name, heading string) (commands int, err error) {
	blocks, err := p.read(name, heading)
	for _, b := range blocks {
		var n int
		if n, err = p.block(ctx, name, heading, b); err != nil {
			err = fmt.Errorf("%s, %s: %w", name, heading, err)
			break
		}
		commands += n
	}
	return commands, err
}

// read gives the blocks under a heading, without the page's first one, of placeholders: the person has values of his own.
func (p *person) read(name, heading string) (blocks []markdown.Block, err error) {
	text, err := os.ReadFile(filepath.Join(p.root, name))
	if err != nil {
		return nil, err
	}
	page := markdown.Parse(name, string(text))
	known, err := p.placeholders(page)
	if err != nil {
		return nil, err
	}
	under, _ := page.Under(heading)
	for _, b := range under {
		if b.Kind == "sh" && b.Line != known.Line {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("%s has no commands under a heading %q", name, heading)
	}
	return blocks, nil
}

// placeholders gives the page's block of them; each must be known.
func (p *person) placeholders(page *markdown.Page) (markdown.Block, error) {
	i := slices.IndexFunc(page.Blocks, func(b markdown.Block) bool { return b.Kind == "sh" })
	if i < 0 {
		return markdown.Block{}, fmt.Errorf("%s has no commands", page.Name)
	}
	for _, line := range page.Blocks[i].Lines {
		m := assignment.FindStringSubmatch(line)
		if m == nil && line != "" && !strings.HasPrefix(line, "#") {
			return markdown.Block{}, fmt.Errorf("%s:%d: the first block is one of placeholders, NAME=value, and this is none: %s", page.Name, page.Blocks[i].Line, line)
		}
		if m != nil && p.values[m[1]] == "" {
			return markdown.Block{}, fmt.Errorf("%s: the drill has no value for %s", page.Name, m[1])
		}
	}
	return page.Blocks[i], nil
}

// block runs one by bash, which is told to say which line it is at before each command.
func (p *person) block(ctx context.Context, page, heading string, b markdown.Block) (commands int, err error) {
	var prelude strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		fmt.Fprintf(&prelude, "%s='%s'\n", name, p.values[name])
	}
	prelude.WriteString("unset BASH_ENV\ntrap 'printf \"\\036%d\\037\" \"$LINENO\" >&3' DEBUG\n")
	script, before := filepath.Join(p.home, ".block.sh"), filepath.Join(p.home, ".values.sh")
	if err := errors.Join(os.WriteFile(script, []byte(strings.Join(b.Lines, "\n")+"\n"), 0o600), os.WriteFile(before, []byte(prelude.String()), 0o600)); err != nil {
		return 0, err
	}
	output := filepath.Join(p.home, ".output")
	file, err := os.OpenFile(output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	ctx, cancel := context.WithTimeout(ctx, blockLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-Eeuo", "pipefail", script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = p.home, append(slices.Clone(p.env), "BASH_ENV="+before), file, file, []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with all that it starts
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	failure := cmd.Run()
	text, err := os.ReadFile(output)
	if err != nil {
		return 0, err
	}
	all := commandsOf(b.Lines, string(text))
	if failure != nil {
		if len(all) > 0 {
			all[len(all)-1].result = failure.Error() + ": " + all[len(all)-1].result
		}
		failure = fmt.Errorf("line %d: %w:\n%s", b.Line, failure, marked.ReplaceAllString(string(text), ""))
	}
	for _, c := range all {
		c.trouble, c.page, c.heading, c.role = p.trouble, page, heading, roleOf(c.command)
		p.typed = append(p.typed, c)
		fmt.Printf("drill:   [%s] %s\n             %s\n", c.role, c.command, c.result)
	}
	return len(all), failure
}

// commandsOf are the command lines that were run, each once, with the last line of what they wrote.
func commandsOf(lines []string, output string) (all []typed) {
	first := make([]int, len(lines)+1) // of the command line that the line, from 1 on, belongs to
	goesOn, loop := false, false
	for i, line := range lines {
		if first[i+1] = i + 1; goesOn {
			first[i+1] = first[i]
		}
		loop = (loop || strings.HasSuffix(line, "; do")) && line != "done"
		goesOn = loop || strings.HasSuffix(line, `\`) || strings.HasSuffix(line, "|")
	}
	at := map[int]int{} // index in all by a command line's first line
	marks := marked.FindAllStringSubmatchIndex(output, -1)
	for i, m := range marks {
		end := len(output)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		n, err := strconv.Atoi(output[m[2]:m[3]])
		if err != nil || n < 1 || n > len(lines) {
			continue
		}
		begin := first[n]
		if _, known := at[begin]; !known {
			at[begin] = len(all)
			var command []string
			for j := begin; j <= len(lines) && first[j] == begin; j++ {
				command = append(command, strings.TrimSpace(strings.TrimSuffix(lines[j-1], `\`)))
			}
			all = append(all, typed{command: strings.Join(command, " "), result: "done"})
		}
		if said := strings.Split(strings.TrimSpace(output[m[1]:end]), "\n"); said[len(said)-1] != "" {
			all[at[begin]].result = short(strings.TrimSpace(said[len(said)-1]))
		}
	}
	return all
}

// short keeps a line of a table readable.
func short(text string) string {
	if runes := []rune(text); len(runes) > 110 {
		return string(runes[:109]) + "…"
	}
	return text
}

// roleOf says as whom a command is run: by the pod that it is run in.
func roleOf(command string) string {
	switch {
	case strings.HasPrefix(command, "kafka-"):
		return "Kafka's administrator"
	case strings.HasPrefix(command, "export KAFKA_"), strings.HasPrefix(command, "release-forwarder "):
		return "viewer, at a workstation"
	case !strings.Contains(command, " exec "):
		return "Kubernetes"
	}
	for _, role := range []string{"viewer", "replayer", "topic admin"} {
		if strings.Contains(command, "release-forwarder-"+strings.ReplaceAll(role, " ", "-")) {
			return role
		}
	}
	return "service"
}
