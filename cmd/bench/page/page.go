// Package page replaces the measured parts of a Markdown page and leaves the rest,
// which people write, as it is. A part stands between
//
//	<!-- bench:NAME -->
//	<!-- bench:end -->
//
// each on a line of its own.
package page

import (
	"fmt"
	"os"
	"strings"
)

const (
	opening = "<!-- bench:"
	closing = " -->"
	end     = opening + "end" + closing
)

// Parts returns the measured parts by name. It is an error when one is not
// closed, stands within another, or is there twice.
func Parts(text string) (map[string]string, error) {
	parts, open := map[string]string{}, ""
	var body strings.Builder
	for line := range strings.Lines(text) {
		name, is := marker(line)
		switch {
		case !is:
			body.WriteString(line)
		case name == "end" && open == "":
			return nil, fmt.Errorf("an end without a beginning after %d parts", len(parts))
		case name == "end":
			parts[open], open = body.String(), ""
		case open != "":
			return nil, fmt.Errorf("%s begins within %s", name, open)
		default:
			if _, twice := parts[name]; twice {
				return nil, fmt.Errorf("%s is there twice", name)
			}
			open = name
			body.Reset()
		}
	}
	if open != "" {
		return nil, fmt.Errorf("%s has no end", open)
	}
	return parts, nil
}

func marker(line string) (name string, is bool) {
	name, is = strings.CutPrefix(strings.TrimSpace(line), opening)
	if !is {
		return "", false
	}
	return strings.CutSuffix(name, closing)
}

// Replace returns the page with another body in one part. It is an error when the
// page has no such part.
func Replace(text, name, body string) (string, error) {
	parts, err := Parts(text)
	if err != nil {
		return "", err
	}
	if _, has := parts[name]; !has {
		return "", fmt.Errorf("no part %s", name)
	}
	begin := opening + name + closing
	before, rest, _ := strings.Cut(text, begin)
	_, after, _ := strings.Cut(rest, end)
	return before + begin + "\n" + strings.TrimRight(body, "\n") + "\n" + end + after, nil
}

// Write replaces one part of the page in a file.
func Write(file, name, body string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed, err := Replace(string(text), name, body)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(changed), 0o644)
}
