package cli

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/repo"
	"release-forwarder/mapping"
)

// checked gives what check prints of values, one a line.
func checked(t *testing.T, values string) string {
	t.Helper()
	s, _, err := settings.Load(settings.GroupEvent, settings.GroupCredential)
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := mapping.New(mapping.Config{Location: s.Event.Location, Required: s.Event.Required})
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	out := bufio.NewWriter(&printed)
	k := &checker{mapper: mapper, settings: s.Credential, book: s.Credential.Book(), out: out}
	if err := k.lines("standard input", strings.NewReader(values)); err != nil {
		t.Fatal(err)
	}
	_ = out.Flush()
	return printed.String()
}

func TestCheckPrintsWhatTheREADMEShows(t *testing.T) {
	readme := repo.Read(t, "README.md")
	t.Setenv("UPSTREAM_APP_SECRET", "XXX")
	for _, event := range []string{
		`{"park_uuid":"p1","flow_no":"f1","parking_serial":"s1","plate":"粤B12345","leave_time":"2021-09-02 18:36:46"}`,
		`{"park_uuid":"p1","flow_no":"f1","parking_serial":"s1"}`,
	} {
		if !strings.Contains(readme, "echo '"+event+"'") {
			t.Errorf("README.md has not the event %s", event)
		}
		if printed := checked(t, event); !strings.Contains(readme, printed) {
			t.Errorf("README.md has not\n%s", printed)
		}
	}
}

func TestCheckSaysWhichCredentialItUsed(t *testing.T) {
	const all = `{"a":{"app_secret":"nobody-sees-1"},"*":{"app_secret":"nobody-sees-2","next_app_secret":"nobody-sees-3"}}`
	const own = `{"a":{"app_secret":"nobody-sees-1"}}`
	for name, c := range map[string]struct {
		byLot, secret, lot string
		want               string
	}{
		"the lot's own":            {all, "", "a", "the lot's entry in UPSTREAM_CREDENTIALS_FILE"},
		"that of any lot":          {all, "", "b", "* in UPSTREAM_CREDENTIALS_FILE"},
		"that of the settings":     {own, "nobody-sees-4", "b", "UPSTREAM_APP_SECRET or UPSTREAM_APP_SECRET_FILE"},
		"own before the settings'": {own, "nobody-sees-4", "a", "the lot's entry in UPSTREAM_CREDENTIALS_FILE"},
		"none for this lot":        {own, "", "b", "none for this lot"},
		"none, nothing is set":     {"", "", "b", "none for this lot"},
		"the settings', no file":   {"", "nobody-sees-4", "b", "UPSTREAM_APP_SECRET or UPSTREAM_APP_SECRET_FILE"},
		"any lot before settings'": {all, "nobody-sees-4", "b", "* in UPSTREAM_CREDENTIALS_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.byLot != "" {
				t.Setenv("UPSTREAM_CREDENTIALS_FILE", apptest.MountFile(t, c.byLot).Name())
			}
			t.Setenv("UPSTREAM_APP_SECRET", c.secret)
			printed := checked(t, apptest.EventOfLot(c.lot, 0))
			if !strings.Contains(printed, "  credential      "+c.want) || strings.Contains(printed, "nobody-sees") {
				t.Errorf("want credential %q:\n%s", c.want, printed)
			}
			if signed := strings.Contains(printed, "  sign  "); signed == strings.HasPrefix(c.want, "none") {
				t.Errorf("signed %v:\n%s", signed, printed)
			}
		})
	}
}
