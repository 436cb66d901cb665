// Package lookup reads lookup files: CSV (RFC 4180) with the platform's UUID for each of a vendor's codes of lots.
package lookup

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"release-forwarder/mapping"
)

// Bounds of a file.
const (
	maxBytes    = 1 << 20
	maxLots     = 20_000
	maxMistakes = 20 // as many are told
)

// columns are the first line of a file.
const columns = "code,uuid"

// Parse reads a file. The error is a *[mapping.FileError], which repeats nothing of the file.
func Parse(text []byte) (mapping.Lookup, error) {
	p := parser{rows: csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))), found: mapping.Lookup{}, lines: map[string]int{}}
	p.rows.FieldsPerRecord = -1
	if len(text) > maxBytes {
		p.fail(1, 1, "the file is larger than 1 MiB")
	} else {
		p.read()
	}
	if len(p.mistakes) > 0 {
		return nil, &mapping.FileError{Mistakes: p.mistakes}
	}
	return p.found, nil
}

// parser is the state of Parse.
type parser struct {
	rows     *csv.Reader
	found    mapping.Lookup
	lines    map[string]int // where each code is
	mistakes []mapping.Mistake
}

func (p *parser) fail(line, column int, format string, args ...any) {
	p.mistakes = append(p.mistakes, mapping.Mistake{Line: line, Column: column, Text: fmt.Sprintf(format, args...)})
}

func (p *parser) read() {
	for n := 0; len(p.mistakes) < maxMistakes; n++ {
		row, err := p.rows.Read()
		broken, is := errors.AsType[*csv.ParseError](err)
		switch {
		case errors.Is(err, io.EOF) && n < 2:
			p.fail(1, 1, "no lot in it: the first line must be %s, and each further one has a lot", columns)
			return
		case errors.Is(err, io.EOF):
			return
		case is:
			p.fail(broken.Line, broken.Column, `a quote that cannot be here: quotes stand around a whole cell, and "" is one within`)
			return
		case n == 0 && strings.Join(row, ",") != columns:
			p.fail(1, 1, "the first line must be %s, with a comma between the columns", columns)
			return
		case n > maxLots:
			p.fail(p.line(), 1, "more than 20,000 lots")
			return
		case n > 0:
			p.lot(row)
		}
	}
}

func (p *parser) line() int {
	line, _ := p.rows.FieldPos(0)
	return line
}

// lot takes a row.
func (p *parser) lot(row []string) {
	if len(row) != 2 {
		p.fail(p.line(), 1, "the number of columns is %d; it must be 2", len(row))
		return
	}
	for i, cell := range row {
		wrong := ""
		switch {
		case !utf8.ValidString(cell):
			wrong = "not UTF-8; save the file as CSV UTF-8"
		case strings.TrimSpace(cell) == "":
			wrong = "the cell is empty"
		case strings.TrimSpace(cell) != cell:
			wrong = "white space around the text"
		case utf8.RuneCountInString(cell) > mapping.MaxTextLength || strings.ContainsRune(cell, 0):
			wrong = "longer than 1,024 code points, or with U+0000"
		case i == 0 && p.lines[cell] > 0:
			wrong = fmt.Sprintf("the code is there twice, first in line %d", p.lines[cell])
		}
		if line, column := p.rows.FieldPos(i); wrong != "" {
			p.fail(line, column, "%s", wrong)
			return
		}
	}
	p.found[row[0]], p.lines[row[0]] = row[1], p.line()
}
