package settings

import (
	"strings"
	"testing"

	"release-forwarder/upstream/credential"
)

func TestCredentialsByLot(t *testing.T) {
	environment(t, with("UPSTREAM_APP_SECRET", "", "UPSTREAM_CREDENTIALS_FILE", file(t, `{
		" lot-1 ": {"app_id": " op1 ", "app_secret": " one ", "next_app_secret": "two"},
		"lot-2": {"app_secret": "own", "next_app_secret": "own", "app_id": ""},
		"*": {"app_id": "op9", "app_secret": "any"}
	}`)))
	s, warnings, err := Load()
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v: the file alone is enough", err, warnings)
	}
	book := s.Credential.Book()
	for lot, want := range map[string][3]string{
		"lot-1": {"op1", "one", "two"}, "lot-2": {"", "own", ""}, "lot-3": {"op9", "any", ""},
	} {
		c, has := book.For(lot)
		if got := [3]string{c.AppID, c.Secret.Reveal(), c.Next.Reveal()}; !has || got != want {
			t.Errorf("%s: %q, want %q", lot, got, want)
		}
	}
}

func TestTwoSecretsFromAFile(t *testing.T) {
	for name, c := range map[string]struct{ contents, secret, next string }{
		"one":                      {"one", "one", ""},
		"two":                      {"one\ntwo\n", "one", "two"},
		"with the ends of Windows": {"\r\none\r\ntwo\r\n", "one", "two"},
		"with blanks":              {"  one \n\n\t two\n \n", "one", "two"},
		"the same twice":           {"one\none", "one", ""},
	} {
		environment(t, with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", file(t, c.contents)))
		s, _, err := Load()
		if err != nil || s.Credential.AppSecret.Reveal() != c.secret || s.Credential.NextAppSecret.Reveal() != c.next {
			t.Errorf("%s: %q and %q, %v", name, s.Credential.AppSecret.Reveal(), s.Credential.NextAppSecret.Reveal(), err)
		}
	}
}

// What is wrong in the file makes all of it wrong, and no secret is repeated.
func TestCredentialsThatCannotBeTakenUp(t *testing.T) {
	const good = `"lot-0": {"app_secret": "s3cret"}`
	for name, c := range map[string]struct{ contents, says string }{
		"empty":                     {"", "is not {"},
		"cut off":                   {`{` + good, "look at byte 34"},
		"cut off, behind a mark":    {"\ufeff{" + good, "look at byte 37"},
		"in UTF-16":                 {"\xff\xfe{\x00}\x00", "the file is UTF-16; save it as UTF-8"},
		"a mark within":             {"{\ufeff" + good + "}", "look at byte 1"},
		"a space without a width":   {`{"lot-1":{"app_secret":"s3cret\u200b"}}`, "the lot lot-1 has a wrong app_secret: it holds U+200B at byte 6"},
		"a NUL in the next secret":  {`{"*":{"app_secret":"s3cret","next_app_secret":"s3\u0000cret"}}`, "the lot * has a wrong next_app_secret: it holds U+0000 at byte 2"},
		"an app_id that turns":      {`{"lot-1":{"app_secret":"s3cret","app_id":"op\u202e1"}}`, "the lot lot-1 has a wrong app_id: it holds U+202E at byte 2"},
		"a lot that nobody can see": {`{"lot\u2060-1":{"app_secret":"s3cret"}}`, "a lot's name holds U+2060 at byte 3"},
		"a secret that is a mark":   {`{"lot-1":{"app_secret":"\ufeff"}}`, "the lot lot-1 has no app_secret"},
		"not an object":             {`["s3cret"]`, "is not {"},
		"no lot":                    {`{}`, "names no lot"},
		"null":                      {`null`, "names no lot"},
		"a lot twice":               {`{` + good + `,` + good + `}`, "is not {"},
		"a lot twice but for space": {`{` + good + `,"lot-0 ":{"app_secret":"s3cret"}}`, "the lot lot-0 is there twice"},
		"a blank lot":               {`{" ":{"app_secret":"s3cret"}}`, "name is blank"},
		"an entry that is null":     {`{"lot-1":null}`, "the lot lot-1 has no app_secret"},
		"no secret":                 {`{"lot-1":{"app_id":"x"}}`, "the lot lot-1 has no app_secret"},
		"a blank secret":            {`{"*":{"app_secret":" "}}`, "the lot * has no app_secret"},
		"a secret of two lines":     {`{"lot-1":{"app_secret":"s3cret\nx"}}`, "line end"},
		"a secret that is a number": {`{"lot-1":{"app_secret":12345}}`, "look at byte"},
		"a mistyped member":         {`{"lot-1":{"app_secret":"s3cret","nxt_app_secret":"s3cret"}}`, "look at byte"},
		"not UTF-8":                 {"{\"lot-1\":{\"app_secret\":\"s3cret\xff\"}}", "look at byte"},
		"trailing data":             {`{` + good + `} s3cret`, "look at byte"},
		"a lot that is personal":    {`{"粤B12345":{"app_secret":""}}`, "the lot ? has no app_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			credentials, err := ParseCredentials([]byte(c.contents))
			if err == nil || credentials != nil {
				t.Fatalf("taken: %v", credentials)
			}
			if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "s3cret") || strings.Contains(text, "粤") {
				t.Errorf("%s, want %q", text, c.says)
			}
		})
	}
	for _, contents := range []string{`{` + good + `}`, "\ufeff{" + good + "}\r\n", "{\r\n" + good + "\r\n}"} {
		if c, err := ParseCredentials([]byte(contents)); err != nil || c["lot-0"].Secret.Reveal() != "s3cret" {
			t.Errorf("%q: %v", contents, err)
		}
	}
}

func TestTheFallbackNeedsASecret(t *testing.T) {
	environment(t, with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_ID", "op1", "UPSTREAM_CREDENTIALS_FILE", file(t, `{"lot-1":{"app_secret":"one"}}`)))
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, has := s.Credential.Book().For("lot-2"); has {
		t.Error("a lot without an entry has a credential")
	}
	if got := s.Credential.Book().Source("lot-1"); got != credential.OwnEntry {
		t.Errorf("source %v", got)
	}
}
