package settings

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// pasted are the ways in which a secret gets into a setting that is not its own.
const pasted = "hunter2"

var mishaps = []string{
	pasted, " " + pasted + " ", pasted + " " + pasted, "user:" + pasted + "@kafka:9092", "a:1,user:" + pasted + "@kafka:9092", "kafka:" + pasted,
	pasted + ":0", "kafka://user:" + pasted + "@kafka:9092", "https://user:" + pasted + "@platform.example:0/", "https://platform.example:" + pasted,
	"foo:" + pasted, "//" + pasted + "@host", "http://%zz" + pasted, "/run/secrets/" + pasted, "1s" + pasted, "99999999999999999999 " + pasted, "-1" + pasted,
	"1KiB" + pasted, "1001," + pasted + "!", "plate," + pasted, "true" + pasted, "Asia/" + pasted, pasted + "\t", strings.Repeat(pasted, 100), "密码" + pasted,
	`{"` + pasted + `": {"app_secret": "` + pasted + `"}}`, "-----BEGIN PRIVATE KEY----- " + pasted,
}

// TestNoErrorHoldsAValue: whatever stands in a setting that is refused, neither the
// lines for the operator nor the table of values repeat it.
func TestNoErrorHoldsAValue(t *testing.T) {
	refused := 0
	for _, f := range fields {
		for _, value := range mishaps {
			environment(t, with(f.Name, value))
			s, warnings, err := Load()
			invalid, _ := errors.AsType[*Invalid](err)
			wrong := invalid != nil && slices.ContainsFunc(invalid.Settings, func(w Wrong) bool { return w.Name == f.Name })
			var said bytes.Buffer
			fmt.Fprintln(&said, err)
			if wrong {
				refused++
				fmt.Fprintln(&said, warnings)
			}
			if err := s.PrintAll(&said); err != nil {
				t.Fatal(err)
			}
			// What is right may be shown: it is in force. But a URL's user and query may
			// not, nor a secret, nor the place where a log-in would stand.
			safe := f.Type == kindSecret || f.Type == "URL" || f.Type == "https URL" || f.Type == "list of host:port"
			if strings.Contains(said.String(), pasted) && (wrong || safe) {
				t.Errorf("%s=%q (%s):\n%s", f.Name, value, f.Type, line(said.String(), pasted))
			}
		}
	}
	if refused < 20*len(fields)/2 {
		t.Errorf("only %d mishaps were refused", refused)
	}
}

// line is the first line that holds a text.
func line(of, text string) string {
	for l := range strings.Lines(of) {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}
