package settings

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// utf16 is a text as editors on Windows save it under the name Unicode.
func utf16(text string, bigEndian bool) string {
	at, mark := 0, "\xff\xfe"
	if bigEndian {
		at, mark = 1, "\xfe\xff"
	}
	var b strings.Builder
	b.WriteString(mark)
	for _, c := range []byte(text) {
		pair := []byte{c, 0}
		b.Write([]byte{pair[at], pair[1-at]})
	}
	return b.String()
}

// unseen are texts that look like s3cret, or cannot be looked at, with what is said of them.
var unseen = map[string]struct{ text, says string }{
	"a space without a width":     {"s3\u200bcret", "holds U+200B at byte 2 (the first is 0)"},
	"the same at the end":         {"s3cret\u200b\r\n", "holds U+200B at byte 6"},
	"the same behind blanks":      {" \t\u200bs3cret", "holds U+200B at byte 2"},
	"behind a mark":               {"\ufeffs3\u200dcret", "holds U+200D at byte 5"},
	"a NUL":                       {"s3cret\x00", "holds U+0000 at byte 6"},
	"a tab":                       {"s3\tcret", "holds U+0009 at byte 2"},
	"an escape":                   {"\x1b[As3cret", "holds U+001B at byte 0"},
	"a control of Latin-1":        {"s3\u0080cret", "holds U+0080 at byte 2"},
	"two marks":                   {"\ufeff\ufeffs3cret", "holds U+FEFF at byte 3"},
	"a mark within":               {"s3\ufeffcret", "holds U+FEFF at byte 2"},
	"a soft hyphen":               {"s3\u00adcret", "holds U+00AD at byte 2"},
	"a turn of the direction":     {"\u202es3cret", "holds U+202E at byte 0"},
	"a separator of lines":        {"s3\u2028cret", "holds U+2028 at byte 2"},
	"a separator of paragraphs":   {"s3\u2029cret", "holds U+2029 at byte 2"},
	"a filler":                    {"s3\u3164cret", "holds U+3164 at byte 2"},
	"a choice of the glyph":       {"s3\ufe0fcret", "holds U+FE0F at byte 2"},
	"one beyond the first plane":  {"s3cret\U000e0100", "holds U+E0100 at byte 6"},
	"what is not UTF-8":           {"s3cr\xe9t", "is not UTF-8; look at byte 4"},
	"UTF-16 of a little endian":   {utf16("s3cret\r\n", false), "is UTF-16; save it as UTF-8"},
	"UTF-16 of a big endian":      {utf16("s3cret\r\n", true), "is UTF-16; save it as UTF-8"},
	"UTF-16 of many lines":        {utf16("s\n3\nc\nr\ne\nt\n", false), "is UTF-16; save it as UTF-8"},
	"UTF-16 that has no mark":     {utf16("s3cret", false)[2:], "holds U+0000 at byte 1"},
	"a damaged character is seen": {"s3cret\ufffd\u200b", "holds U+200B at byte 9"},
}

// The kinds of a text do not matter: whatever names or holds a secret is refused with the place.
func TestWhatNobodySeesIsRefusedByItsPlace(t *testing.T) {
	for name, c := range unseen {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		sasl := []string{"KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD", ""}
		for of, env := range map[string]map[string]string{
			"UPSTREAM_APP_SECRET":      with("UPSTREAM_APP_SECRET", c.text),
			"UPSTREAM_APP_SECRET_FILE": with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", path),
			"KAFKA_SASL_PASSWORD":      with(append(slices.Clone(sasl), "KAFKA_SASL_PASSWORD", c.text)...),
			"KAFKA_SASL_PASSWORD_FILE": with(append(slices.Clone(sasl), "KAFKA_SASL_PASSWORD_FILE", path)...),
			"KAFKA_SASL_USERNAME":      with("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_PASSWORD", "p", "KAFKA_SASL_USERNAME", c.text),
			"UPSTREAM_APP_ID":          with("UPSTREAM_APP_ID", c.text),
			"KAFKA_GROUP_ID":           with("KAFKA_GROUP_ID", c.text),
			"KAFKA_CLIENT_ID":          with("KAFKA_CLIENT_ID", c.text),
			"KAFKA_TOPIC":              with("KAFKA_TOPIC", c.text),
			"UPSTREAM_URL":             with("UPSTREAM_URL", c.text),
			"UPSTREAM_SUCCESS_CODES":   with("UPSTREAM_SUCCESS_CODES", c.text),
			"KAFKA_BROKERS":            with("KAFKA_BROKERS", c.text),
			"RETRY_BUDGET":             with("RETRY_BUDGET", c.text),
		} {
			if !strings.HasSuffix(of, "_FILE") && strings.Contains(c.text, "\x00") {
				continue // no system can put it into a variable
			}
			t.Run(name+" in "+of, func(t *testing.T) {
				environment(t, env)
				_, _, err := Load()
				invalid, is := errors.AsType[*Invalid](err)
				if !is || len(invalid.Settings) != 1 || invalid.Settings[0].Name != of {
					t.Fatalf("got %v, want %s alone", err, of)
				}
				if line := invalid.Settings[0].String(); !strings.Contains(line, c.says) || strings.Contains(line, "s3") {
					t.Errorf("%s; want %q and nothing of the value", line, c.says)
				}
			})
		}
	}
}

func TestAMarkAndTheLineEndsOfWindowsDoNotCount(t *testing.T) {
	const mark = "\ufeff"
	environment(t, map[string]string{
		"KAFKA_BROKERS":            mark + "kafka-1:9092,\r\n  kafka-2:9092\r\n",
		"KAFKA_TOPIC":              mark + "releases\r\n",
		"KAFKA_GROUP_ID":           mark + "forwarder",
		"UPSTREAM_URL":             mark + "https://platform.example/update\r\n",
		"UPSTREAM_APP_ID":          mark + "op1\r\n",
		"UPSTREAM_APP_SECRET_FILE": file(t, mark+"one\r\n\r\ntwo\r\n"),
		"KAFKA_SASL_MECHANISM":     "SCRAM-SHA-256",
		"KAFKA_SASL_USERNAME":      mark + "u",
		"KAFKA_SASL_PASSWORD_FILE": file(t, mark+"\r\np w\r\n"),
		"RETRY_BUDGET":             mark + "7",
		"UPSTREAM_PERMANENT_CODES": mark + "400,\n402",
	})
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"brokers":  {strings.Join(s.Kafka.Brokers, " "), "kafka-1:9092 kafka-2:9092"},
		"topic":    {strings.Join(s.Kafka.Topics, " "), "releases"},
		"group":    {s.Kafka.GroupID, "forwarder"},
		"URL":      {s.Upstream.URL.String(), "https://platform.example/update"},
		"app_id":   {s.Credential.AppID, "op1"},
		"secret":   {s.Credential.AppSecret.Reveal(), "one"},
		"next":     {s.Credential.NextAppSecret.Reveal(), "two"},
		"user":     {s.Kafka.SASL.Username, "u"},
		"password": {s.Kafka.SASL.Password.Reveal(), "p w"},
		"codes":    {strings.Join(s.Upstream.PermanentCodes, " "), "400 402"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %q, want %q", name, c[0], c[1])
		}
	}
	if s.Retry.Budget != 7 {
		t.Errorf("budget %d", s.Retry.Budget)
	}
	environment(t, with("KAFKA_CLIENT_ID", mark+" \r\n"))
	if s, _, err = Load(); err != nil || s.Kafka.ClientID != "release-forwarder" {
		t.Errorf("a mark alone is taken for %q, %v", s.Kafka.ClientID, err)
	}
}

// A file of variables may be saved with a mark too: it is then the first one's name that has it.
func TestAMarkBeforeANameIsSaid(t *testing.T) {
	environment(t, with("\ufeffRETRY_BUDGET", "7", "\ufeffKAFKA_COMPRESSION", "x"))
	_, warnings, err := Load()
	if err == nil || len(warnings) > 0 || err.Error() != `unknown setting "\ufeffRETRY_BUDGET"; did you mean RETRY_BUDGET? A byte order mark is before its name` {
		t.Errorf("%v, warnings %v", err, warnings)
	}
	if _, _, err = Load(GroupEvent); err != nil {
		t.Errorf("a command that needs it not: %v", err)
	}
}

func TestASettingIsNamedOnceInItsLine(t *testing.T) {
	for _, env := range []map[string]string{
		with("RETRY_BACKOFF_MIN", "1m"), with("RETRY_BACKOFF_MAX", "500ms"), with("UPSTREAM_RETRY_WAIT_MIN", "2s"),
		with("UPSTREAM_RETRY_WAIT_MAX", "10ms"), with("KAFKA_HEARTBEAT_INTERVAL", "11s"), with("KAFKA_SESSION_TIMEOUT", "6s"),
	} {
		environment(t, env)
		_, _, err := Load()
		invalid, is := errors.AsType[*Invalid](err)
		if !is || len(invalid.Settings) != 1 {
			t.Fatalf("%v", err)
		}
		if w := invalid.Settings[0]; strings.Contains(w.Text, w.Name) {
			t.Errorf("%s", w)
		}
	}
}

// Of certificates in one file the one behind a mark would be left out without a word.
func TestCertificatesAsEditorsOnWindowsSaveThem(t *testing.T) {
	cert, key := pairInPEM(t)
	crlf := func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
	tls := func(ca, cert, key string) map[string]string {
		return with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_CA_FILE", file(t, ca), "KAFKA_TLS_CERT_FILE", file(t, cert), "KAFKA_TLS_KEY_FILE", file(t, key),
			"UPSTREAM_TLS_CA_FILE", file(t, ca))
	}
	for name, env := range map[string]map[string]string{
		"as they are":                  tls(cert, cert, key),
		"with a mark":                  tls("\ufeff"+cert, "\ufeff"+cert, "\ufeff"+key),
		"with a mark and its ends":     tls("\ufeff"+crlf(cert), "\ufeff"+crlf(cert), "\ufeff"+crlf(key)),
		"with words, tabs and Latin-1": tls("subject=\tRa\xedz\n"+cert, cert, key),
	} {
		environment(t, env)
		if _, _, err := Load(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	place := fmt.Sprintf("holds U+FEFF at byte %d (the first is 0)", len(cert))
	for _, c := range []struct {
		name  string
		env   map[string]string
		wrong string // in each line
	}{
		{"a mark before the second", tls(cert+"\ufeff"+cert, cert, key), place},
		{"UTF-16", tls(utf16(cert, false), cert, key), "the file is UTF-16; save it as UTF-8"},
		{"a space without a width in the base64", tls(cert+strings.Replace(cert, "\nM", "\nM\u200b", 1), cert, key), "the file holds U+200B at byte "},
		{"the client's too", tls(cert, cert+"\ufeff"+cert, key), "the certificate's file " + place},
		{"and its key", tls(cert, cert, "\x00"+key), "the key's file holds U+0000 at byte 0"},
	} {
		environment(t, c.env)
		_, _, err := Load()
		if err == nil {
			t.Errorf("%s: taken", c.name)
			continue
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.Contains(line, c.wrong) {
				t.Errorf("%s: %s, want %q", c.name, line, c.wrong)
			}
		}
	}
}

func pairInPEM(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}
