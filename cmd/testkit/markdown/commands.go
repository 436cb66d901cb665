package markdown

import (
	"regexp"
	"slices"
	"strings"
)

// Command is one simple command of a command line: no pipe, no redirection, no settings before it.
type Command struct {
	Page  string
	Line  int
	Shown string // as the page has it, continued lines joined
	Env   []string
	Words []string
	// Inline: it stands in a sentence, which may name no more than a command and a flag.
	Inline bool
}

var (
	code = regexp.MustCompile("`([^`]+)`")
	ours = regexp.MustCompile(`^(\./)?release-forwarder(\.exe)? [a-z]`)
	env  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// Commands are those of a page: in blocks of console, sh and no kind, the forwarder's in blocks of text, and in prose and
// tables between backticks.
func (p *Page) Commands() (all []Command) {
	for _, b := range p.Blocks {
		switch b.Kind {
		case "console":
			for _, e := range b.Entries() {
				all = append(all, p.commands(e.Line, e.Command)...)
			}
		case "sh", "bash", "":
			for i := 0; i < len(b.Lines); i++ {
				line, at := b.Lines[i], b.Line+i
				for strings.HasSuffix(line, `\`) && i+1 < len(b.Lines) {
					i++
					line = strings.TrimSuffix(line, `\`) + " " + strings.TrimSpace(b.Lines[i])
				}
				all = append(all, p.commands(at, line)...)
			}
		case "text", "powershell", "bat":
			for i, line := range b.Lines { // of output, what it tells to type: an example in a help text
				if line = strings.TrimSpace(line); ours.MatchString(line) {
					all = append(all, p.commands(b.Line+i, line)...)
				}
			}
		}
	}
	for _, code := range p.Codes() {
		for _, c := range p.commands(code.Line, code.Text) {
			c.Inline = true
			all = append(all, c)
		}
	}
	return all
}

// Codes are the texts between backticks in prose, tables and headings.
func (p *Page) Codes() (all []Text) {
	look := func(line int, text string, generated bool) {
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			all = append(all, Text{line, m[1], generated})
		}
	}
	for _, t := range p.Prose {
		look(t.Line, t.Text, t.Generated)
	}
	for _, t := range p.Tables {
		for i, row := range t.Rows {
			look(t.Line+i, strings.Join(row, " "), t.Generated)
		}
	}
	for _, h := range p.Headings {
		look(1, h.Text, false)
	}
	return all
}

// Entry is a command of a console block and what it prints.
type Entry struct {
	Line    int
	Command string // its lines, without the prompts
	Output  string
}

// Entries of a console block; what stands before the first prompt belongs to none.
func (b *Block) Entries() (all []Entry) {
	for i, line := range b.Lines {
		if command, is := strings.CutPrefix(line, "$ "); is {
			all = append(all, Entry{Line: b.Line + i, Command: command})
			continue
		}
		if len(all) == 0 {
			continue
		}
		e := &all[len(all)-1]
		more, is := strings.CutPrefix(line, "> ")
		if e.Output == "" && (is || strings.HasSuffix(e.Command, `\`)) {
			e.Command += "\n" + more
		} else {
			e.Output += line + "\n"
		}
	}
	return all
}

func (p *Page) commands(line int, text string) (all []Command) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for _, words := range Split(text) {
		c := Command{Page: p.Name, Line: line, Shown: text}
		for len(words) > 0 && env.MatchString(words[0]) {
			c.Env, words = append(c.Env, words[0]), words[1:]
		}
		if c.Words = words; len(words) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// Split splits a text as a shell does into simple commands of words: at pipes, semicolons, && and line ends; comments
// and redirections are left out. Nothing is expanded.
func Split(text string) (commands [][]string) {
	s := &splitter{}
	for i := 0; i < len(text); i++ {
		i = s.byte(text, i)
	}
	s.end()
	return s.commands
}

type splitter struct {
	commands [][]string
	words    []string
	word     strings.Builder
	begun    bool // of the word: "" is one
	skip     bool // the word is the target of a redirection
	quote    byte
}

// byte takes the byte at i, and what belongs to it; it gives the last index taken.
func (s *splitter) byte(text string, i int) int {
	c := text[i]
	switch {
	case s.quote != 0:
		switch {
		case c == s.quote:
			s.quote = 0
		case c == '\\' && s.quote == '"' && i+1 < len(text):
			i++
			s.word.WriteByte(text[i])
		default:
			s.word.WriteByte(c)
		}
	case c == '\'' || c == '"':
		s.quote, s.begun = c, true
	case c == '\\' && i+1 < len(text):
		i++
		s.word.WriteByte(text[i])
		s.begun = true
	case c == ' ' || c == '\t':
		s.endWord()
	case c == '#' && !s.begun:
		for i+1 < len(text) && text[i+1] != '\n' {
			i++
		}
	case strings.IndexByte("\n|;&()", c) >= 0: // what stands in $() or <() is a command of its own
		s.end()
	case c == '>' || c == '<':
		if _, fd := map[string]bool{"1": true, "2": true}[s.word.String()]; fd {
			s.word.Reset()
			s.begun = false
		}
		s.endWord()
		s.skip = true
		for i+1 < len(text) && (text[i+1] == '>' || text[i+1] == '<' || text[i+1] == '&') {
			i++
		}
	default:
		s.word.WriteByte(c)
		s.begun = true
	}
	return i
}

func (s *splitter) endWord() {
	if s.begun {
		if !s.skip {
			s.words = append(s.words, s.word.String())
		}
		s.skip = false
	}
	s.word.Reset()
	s.begun = false
}

func (s *splitter) end() {
	s.endWord()
	s.skip = false
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
	}
	s.words = nil
}

// Arguments gives those of a command of cmd/ that is run by go run, or by make with the variable that holds them.
func (c Command) Arguments(program, variable string) (args []string, is bool) {
	switch {
	case len(c.Words) > 2 && c.Words[0] == "go" && c.Words[1] == "run" && c.Words[2] == "./cmd/"+program:
		return c.Words[3:], true
	case c.Words[0] == "make":
		for _, word := range c.Words[1:] {
			if value, is := strings.CutPrefix(word, variable+"="); is {
				return slices.Concat(Split(value)...), true
			}
		}
	}
	return nil, false
}
