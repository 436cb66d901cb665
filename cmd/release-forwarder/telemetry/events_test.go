package telemetry

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// logged are the lines that the service's sources write: message to level, "" for
// a level that is chosen at run time.
func logged(t *testing.T) map[string]string {
	t.Helper()
	lines := map[string]string{}
	for _, root := range []string{"consumer", "dlq", "upstream", "mapping", "cmd/release-forwarder"} {
		err := filepath.WalkDir(filepath.Join("..", "..", "..", root), func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir() && (e.Name() == "chaos" || e.Name() == "acceptance" || e.Name() == "doctor"):
				return fs.SkipDir
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err == nil {
				ast.Inspect(file, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						if message, level, is := lineOf(call); is {
							lines[message] = level
						}
					}
					return true
				})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

// lineOf reads a call of a logger.
func lineOf(call *ast.CallExpr) (message, level string, is bool) {
	var name string
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	arg, known := map[string]int{"Info": 0, "Warn": 0, "Error": 0, "level": 0, "LogAttrs": 2, "NewRecord": 2}[name]
	if !known || len(call.Args) <= arg {
		return "", "", false
	}
	message, is = text(call.Args[arg])
	switch name {
	case "LogAttrs", "NewRecord":
		if s, ok := call.Args[1].(*ast.SelectorExpr); ok {
			level = strings.TrimPrefix(s.Sel.Name, "Level")
		}
	case "level":
	default:
		level = name
	}
	return message, strings.ToUpper(level), is
}

// text is a constant string that is written out.
func text(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil && x.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := text(x.X)
		right, ok2 := text(x.Y)
		return left + right, ok && ok2
	}
	return "", false
}

// TestEveryLineIsAnEventOfTheTable fails on a line that has no name, and on a name
// that no line has.
func TestEveryLineIsAnEventOfTheTable(t *testing.T) {
	lines := logged(t)
	if len(lines) < 40 {
		t.Fatalf("only %d lines were found: this looked at nothing", len(lines))
	}
	names, form := map[string]bool{}, regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, e := range Events() {
		if names[e.Name] || !form.MatchString(e.Name) {
			t.Errorf("%s: a name is there twice, or is not of small letters and dashes", e.Name)
		}
		names[e.Name] = true
		level, there := lines[e.Message]
		if !there {
			t.Errorf("%s: no line says %q", e.Name, e.Message)
		} else if level != "" && level != e.Level.String() {
			t.Errorf("%s: written at %s, the table says %s", e.Name, level, e.Level)
		}
		if e.Level == slog.LevelError && e.Remedy == "" {
			t.Errorf("%s: an error says what to do", e.Name)
		}
		if e.Runbook != "" && e.Remedy == "" {
			t.Errorf("%s: a runbook without a remedy", e.Name)
		}
		delete(lines, e.Message)
	}
	for message := range lines {
		t.Errorf("a line without a name; give it a row in events.go: %q", message)
	}
}

func TestALineHasItsNameAndRemedy(t *testing.T) {
	tel, out := start(t, nil)
	tel.Logger.With("topic", "releases").Error("lot refused: the platform refuses this lot alone (its secret, app_id or contract); its records wait, the others flow", "lot", "lot-7")
	tel.Logger.Info("something that has no name")
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var first, second map[string]any
	if err := json.Unmarshal(lines[0], &first); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(lines[1], &second); err != nil {
		t.Fatal(err)
	}
	if first["event"] != "lot-refused" || first["runbook"] != "lot-refused" || !strings.Contains(first["remedy"].(string), "LOT_HOLD_MAX") ||
		first["topic"] != "releases" || first["lot"] != "lot-7" {
		t.Errorf("%s", lines[0])
	}
	if _, there := second["event"]; there {
		t.Errorf("%s", lines[1])
	}
}

func TestALineThatKnowsItsRemedyKeepsItAlone(t *testing.T) {
	tel, out := start(t, nil)
	tel.Logger.Warn("joining the group failed; tried again", "error", "26", "remedy", "set KAFKA_SESSION_TIMEOUT")
	if got := out.String(); strings.Count(got, `"remedy":`) != 1 || !strings.Contains(got, `"remedy":"set KAFKA_SESSION_TIMEOUT"`) || !strings.Contains(got, `"runbook":"not-reading"`) {
		t.Error(got)
	}
}

func TestAChangeOfStateIsNeverSuppressed(t *testing.T) {
	tel, out := start(t, nil)
	for range 3 * LimitFirst {
		tel.Logger.Info("joined the group")
		tel.Logger.Warn("fetch failed; it is tried again")
	}
	if n := strings.Count(out.String(), `"event":"joined"`); n != 3*LimitFirst {
		t.Errorf("%d lines of a change of state", n)
	}
	if n := strings.Count(out.String(), `"event":"fetch-failed"`); n != LimitFirst {
		t.Errorf("%d lines of a repeat", n)
	}
}
