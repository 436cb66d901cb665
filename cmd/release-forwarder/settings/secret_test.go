package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretPrintsAsStarsEverywhere(t *testing.T) {
	const text = "hunter2"
	secret := NewSecret(text)
	holder := struct {
		Public  Secret
		private Secret
	}{secret, secret}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b", "%T"} {
		if got := fmt.Sprintf(verb, secret); got != "***" && verb != "%T" {
			t.Errorf("%s prints %q", verb, got)
		}
		fmt.Fprintf(&printed, verb+"\n", &secret)
		fmt.Fprintf(&printed, verb+"\n", holder)
		fmt.Fprintf(&printed, verb+"\n", []Secret{secret})
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("text", "secret", secret, "holder", holder)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("json", "secret", secret, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(encoded)
	fmt.Fprint(&printed, fmt.Errorf("wrapped: %v", secret))

	for _, form := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("%d", []byte(text))} {
		if strings.Contains(printed.String(), form) {
			t.Errorf("the secret shows as %q in:\n%s", form, printed.String())
		}
	}
	if got := fmt.Sprint(secret); got != "***" {
		t.Errorf("printed as %q, want ***", got)
	}
	if got := string(encoded); got != `{"Public":"***"}` {
		t.Errorf("JSON is %s", got)
	}
	if secret.Reveal() != text {
		t.Error("Reveal does not give the secret")
	}
}

func TestNoSecretPrintsEmpty(t *testing.T) {
	var none Secret
	if got := fmt.Sprint(none); got != "" || !none.IsZero() || !NewSecret("").IsZero() || none.Reveal() != "" {
		t.Errorf("no secret prints %q, zero %v", got, none.IsZero())
	}
	if !none.Equal(NewSecret("")) || none.Equal(NewSecret("a")) || !NewSecret("a").Equal(NewSecret("a")) {
		t.Error("Equal does not compare the texts")
	}
}

func TestSecretFile(t *testing.T) {
	for _, c := range []struct {
		name, contents, want, wrong string
	}{
		{name: "one line", contents: "s3cret", want: "s3cret"},
		{name: "blank space around it", contents: "\n \ts3cret \r\n\n", want: "s3cret"},
		{name: "a blank within belongs to it", contents: "two words\n", want: "two words"},
		{name: "empty", contents: "", wrong: "blank"},
		{name: "only blank space", contents: " \n\t\n", wrong: "blank"},
		{name: "two lines", contents: "s3cret\nnext\n", wrong: "more than one line"},
		{name: "two lines of an old Mac", contents: "s3cret\rnext", wrong: "more than one line"},
		{name: "not text", contents: "s3cret\xff", wrong: "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			secret, err := ParseSecret([]byte(c.contents))
			switch {
			case c.wrong == "" && (err != nil || secret.Reveal() != c.want):
				t.Errorf("got %q, %v; want %q", secret.Reveal(), err, c.want)
			case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "s3cret")):
				t.Errorf("got error %v, want one with %q and without the secret", err, c.wrong)
			}
		})
	}
}
