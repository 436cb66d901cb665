package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What Go goes without, and without a word, is warned of by name.
func TestWhatTheRuntimeGoesWithoutIsSaid(t *testing.T) {
	cert, _ := pairInPEM(t)
	missing := filepath.Join(t.TempDir(), "missing")
	for name, c := range map[string]struct {
		right, wrong []string
	}{
		"GOGC":          {[]string{"50", "off", "-1"}, []string{"50%", "50\n", "many", "99999999999"}},
		"GOMAXPROCS":    {[]string{"2"}, []string{"0", "-1", "2\n", "two"}},
		"GODEBUG":       {[]string{"http2client=0", "gctrace=1,cpu.avx=off,", "netdns=go+2"}, []string{"http2client", "http2client=0\n", "a=1, b=2"}},
		"TZ":            {[]string{"Asia/Shanghai", ":UTC", cert[:0]}, []string{"Asia/Shangai", "CST-8", "/missing/zone", "UTC\n"}},
		"ZONEINFO":      {[]string{t.TempDir()}, []string{missing}},
		"SSL_CERT_FILE": {[]string{file(t, cert)}, []string{missing, file(t, cert) + "\n", file(t, "none"), file(t, "\ufeff"+cert), file(t, cert+"\ufeff"+cert)}},
		"SSL_CERT_DIR":  {[]string{t.TempDir(), t.TempDir() + ":" + t.TempDir()}, []string{missing, t.TempDir() + ":" + missing}},
	} {
		for i, value := range append(c.right, c.wrong...) {
			environment(t, with(name, value))
			_, warnings, err := Load()
			switch {
			case err != nil:
				t.Errorf("%s=%q: %v", name, value, err)
			case i < len(c.right) && len(warnings) > 0, i >= len(c.right) && (len(warnings) != 1 || warnings[0].Name != name):
				t.Errorf("%s=%q: warnings %v", name, value, warnings)
			case i >= len(c.right) && strings.ContainsAny(warnings[0].String(), "\r\n"):
				t.Errorf("%s=%q: the line is none: %q", name, value, warnings[0])
			}
			_ = os.Unsetenv(name)
		}
		if _, warnings, err := Load(GroupEvent); err != nil || len(warnings) > 0 {
			t.Errorf("%s: a command that needs it not: %v, %v", name, err, warnings)
		}
	}
}
