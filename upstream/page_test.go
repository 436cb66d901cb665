package upstream_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// docs/platform-api.md stands in for the platform's own document. Its worked example
// and its table of codes are what the code does.
func TestThePlatformPageIsTheCode(t *testing.T) {
	text, err := os.ReadFile("../docs/platform-api.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	t.Run("worked example", func(t *testing.T) { holdsItsExample(t, page) })
	t.Run("codes", func(t *testing.T) { holdsItsCodes(t, page) })
}

func holdsItsExample(t *testing.T, page string) {
	shown := func(name string) string {
		_, after, found := strings.Cut(page, "\n```text "+name+"\n")
		text, _, closed := strings.Cut(after, "\n```\n")
		if !found || !closed {
			t.Fatalf("the page has no block %q", name)
		}
		return text
	}
	var params, release []upstream.Param
	appID := ""
	for line := range strings.Lines(shown("parameters")) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		params = append(params, upstream.Param{Name: name, Value: value})
		if name == "app_id" {
			appID = value
			continue
		}
		release = append(release, upstream.Param{Name: name, Value: value})
	}
	if got := upstream.StringToSign(params, "XXX"); got != shown("string") {
		t.Errorf("string to sign\n got %s\nwant %s", got, shown("string"))
	}
	if got := upstream.Sign(params, "XXX"); got != shown("sign") {
		t.Errorf("sign %s, want %s", got, shown("sign"))
	}
	var body []byte
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"code":"1001"}`)
	})
	c := config(server.URL)
	c.Credential = func() credential.Credential {
		return credential.Credential{AppID: appID, Secret: credential.NewSecret("XXX")}
	}
	client(t, c).Deliver(t.Context(), upstream.Request{Params: release})
	if string(body) != shown("body") {
		t.Errorf("body\n got %s\nwant %s", body, shown("body"))
	}
}

func holdsItsCodes(t *testing.T, page string) {
	verdict := regexp.MustCompile("^`[a-z]+`$")
	var now scripted
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) { now.ServeHTTP(w, r) })
	c := config(server.URL)
	c.SuccessCodes, c.PermanentCodes = []string{"1001"}, []string{"400"} // the settings' defaults
	deliverer, rows := client(t, c), 0
	for line := range strings.Lines(page) {
		cells := strings.Split(line, " | ")
		if len(cells) != 4 || !verdict.MatchString(cells[2]) {
			continue
		}
		rows++
		bodies := []string{`{"code":"999"}`} // any other
		switch codes := regexp.MustCompile("`([0-9]+)`").FindAllStringSubmatch(cells[0], -1); {
		case len(codes) > 0:
			bodies = nil
			for _, code := range codes {
				bodies = append(bodies, `{"code":"`+code[1]+`"}`)
			}
		case strings.Contains(cells[0], "no readable body"):
			bodies = []string{"<html>"}
		}
		for _, body := range bodies {
			now = scripted{http.StatusOK, http.Header{}, body}
			answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release})
			if want := strings.Trim(cells[2], "`"); answer.Verdict.String() != want {
				t.Errorf("%s: %v, the page says %s", body, answer.Verdict, want)
			}
		}
	}
	if rows < 8 {
		t.Errorf("only %d rows of codes are understood", rows)
	}
}
