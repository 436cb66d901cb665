package check

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/mapping"
)

// theTime is when the tests check.
var theTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// checkerOf makes the checker of a command by the environment's settings.
func checkerOf(t testing.TB, c *Command, out *bufio.Writer) *checker {
	t.Helper()
	s, _, err := settings.Load(settings.GroupEvent, settings.GroupCredential)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newChecker(c, s, out)
	if err != nil {
		t.Fatal(err)
	}
	k.at = theTime.In(s.Event.Location)
	return k
}

// checkedBy gives what check with flags prints of an input, and how many events failed.
func checkedBy(t *testing.T, c Command, input string) (printed string, failed int) {
	t.Helper()
	var text bytes.Buffer
	out := bufio.NewWriter(visible.NewWriter(&text))
	k := checkerOf(t, &c, out)
	k.in = strings.NewReader(input)
	if err := k.files(c.Files); err != nil {
		t.Fatal(err)
	}
	k.end()
	_ = out.Flush()
	return text.String(), k.failed
}

// checked gives what check prints of an input in English.
func checked(t *testing.T, input string) string {
	t.Helper()
	printed, _ := checkedBy(t, Command{Lang: english}, input)
	return printed
}

// check names the credential that signs an event, and never shows a secret.
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

// The field that an ignored key is meant as is named where it is missing, and only there.
func TestNearMisses(t *testing.T) {
	all := mapping.BuiltIn().Names()
	for key, want := range map[string]string{
		"leaveTime": "leave_time", "LEAVE_TIME": "leave_time", "leave-time": "leave_time", "leave_tiem": "leave_time", "leav_time": "leave_time",
		"Plate": "plate", "plateNo": "plate", "plate_number": "plate", "plateColour": "plate_color", "carDescription": "car_desc", "车牌号码": "plate", "车牌颜色": "plate_color",
		"离场时间": "leave_time", "离场": "leave_time", "reasonText": "reason", "parkUUID": "park_uuid",
		"date": "", "lane": "", "time": "", "车": "", "": "", "id": "", "x" + strings.Repeat("leave_time", 10): "",
	} {
		if got := meant(key, all); got != want {
			t.Errorf("%s is taken for %q, want %q", key, got, want)
		}
		if got := meant(key, []string{"operate_time"}); got != "" {
			t.Errorf("%s is taken for %q, which it is not", key, got)
		}
	}
}

// LC_ALL goes before LC_MESSAGES, and that before LANG; the first that is set counts alone.
func TestTheLanguageOfTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		all, messages, lang string
		want                language
	}{
		{"", "", "", english},
		{"", "", "zh_CN.UTF-8", chinese},
		{"", "", "ZH", chinese},
		{"", "", "en_US.UTF-8", english},
		{"", "C", "zh_CN.UTF-8", english},
		{"", "zh_TW", "en_US", chinese},
		{"C.UTF-8", "zh_CN", "zh_CN", english},
		{"zh-Hans", "C", "C", chinese},
	} {
		env := map[string]string{"LC_ALL": c.all, "LC_MESSAGES": c.messages, "LANG": c.lang}
		if got := language("").or(func(name string) string { return env[name] }); got != c.want {
			t.Errorf("%v: %s", env, got)
		}
		if got := chinese.or(func(string) string { return "en" }); got != chinese {
			t.Errorf("asked for Chinese: %s", got)
		}
	}
}

// check shows what stands around the place of a fault.
func TestThePlaceOfAFaultIsShown(t *testing.T) {
	long := strings.Repeat("车", 30)
	for _, c := range []struct {
		value string
		at    int
		want  string
	}{
		{`{"a":1,,}`, 7, `{"a":1,→,}`},
		{`{`, 1, `{→`},
		{`{`, 9, `{→`},
		{"{\r\n\"a\":1,,\r\n}", 9, `line 2: "a":1,→,`},
		{long + "x" + long, 90, "…" + strings.Repeat("车", 13) + "→x" + strings.Repeat("车", 13) + "…"},
	} {
		if got := excerpt([]byte(c.value), c.at, english); got != c.want {
			t.Errorf("%q at %d: %s, want %s", c.value, c.at, got, c.want)
		}
	}
}

// runCheck runs the command as the command line does.
func runCheck(t *testing.T, c Command) (printed string, err error) {
	t.Helper()
	var text bytes.Buffer
	err = c.Run(console.Stopper{Context: t.Context()}, console.NewOutput(&text, os.Stderr))
	return text.String(), err
}

// check --schema needs no setting.
func TestCheckPrintsTheSchemaWithoutSettings(t *testing.T) {
	t.Setenv("EVENT_TIMEZONE", "nowhere")
	printed, err := runCheck(t, Command{Schema: true, Files: []string{"no such file"}})
	if err != nil || printed != mapping.Schema() {
		t.Errorf("%v\n%s", err, printed)
	}
}

// An input without an event is a failure: a script notices that its file was empty.
func TestCheckFailsWithoutAnEvent(t *testing.T) {
	for _, name := range []string{"empty", "empty.json"} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if printed, err := runCheck(t, Command{Files: []string{file}}); !errors.Is(err, console.ErrSomeFailed) || printed == "" {
			t.Errorf("%s: %v, %q", name, err, printed)
		}
	}
}

// Without --at it is now.
func TestCheckWarnsOfTheFuture(t *testing.T) {
	file := filepath.Join(t.TempDir(), "event")
	if err := os.WriteFile(file, []byte(`{"park_uuid":"p","flow_no":"f","parking_serial":"s","plate":"x","leave_time":"2099-09-02 18:36:46"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{"": true, "2026-01-02": true, "24h": true, "2099-09-02T10:26:45Z": true, "2099-09-02T10:26:46Z": false} {
		printed, err := runCheck(t, Command{Files: []string{file}, At: at, Lang: english})
		if err != nil || strings.Contains(printed, "  suspicious      future: leave_time: ") != want {
			t.Errorf("--at %q: %v\n%s", at, err, printed)
		}
	}
	if _, err := runCheck(t, Command{Files: []string{file}, At: "soon"}); err == nil || !strings.HasPrefix(err.Error(), "--at") {
		t.Errorf("a wrong time: %v", err)
	}
}
