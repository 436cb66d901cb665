package settings

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
)

// chosen is the proxy of a request to the URL; "": none.
func chosen(t *testing.T, s *Settings, url string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := s.Upstream.Proxy.For(req)
	if err != nil {
		t.Fatal(err)
	}
	if proxy == nil {
		return ""
	}
	return proxy.String()
}

func TestProxyIsInForceAsItWasMeant(t *testing.T) {
	const proxy = "http://user:p%25w@proxy:3128"
	for name, c := range map[string]struct {
		env         map[string]string
		http, https string
	}{
		"none":                               {nil, "", ""},
		"as it is":                           {map[string]string{"HTTP_PROXY": proxy}, proxy, ""},
		"with a line end":                    {map[string]string{"HTTPS_PROXY": proxy + "\n"}, "", proxy},
		"with the end of Windows and blanks": {map[string]string{"HTTPS_PROXY": " \t" + proxy + " \r\n"}, "", proxy},
		"with a mark":                        {map[string]string{"HTTPS_PROXY": "\ufeff" + proxy}, "", proxy},
		"in small letters":                   {map[string]string{"http_proxy": proxy + "\n", "https_proxy": "socks5://s:1080\n"}, proxy, "socks5://s:1080"},
		"in capitals first":                  {map[string]string{"HTTP_PROXY": proxy, "http_proxy": "http://other:1"}, proxy, ""},
		"blank in capitals":                  {map[string]string{"HTTP_PROXY": " \n", "http_proxy": proxy}, proxy, ""},
		"without a scheme":                   {map[string]string{"HTTPS_PROXY": "proxy:3128\n"}, "", "http://proxy:3128"},
		"of each scheme":                     {map[string]string{"HTTP_PROXY": "https://proxy", "HTTPS_PROXY": "SOCKS5H://proxy:1080/"}, "https://proxy", "socks5h://proxy:1080/"},
		"where a CGI would refuse it":        {map[string]string{"HTTP_PROXY": proxy, "REQUEST_METHOD": "GET"}, proxy, ""},
		"but not for some":                   {map[string]string{"HTTPS_PROXY": proxy, "NO_PROXY": "10.0.0.0/8,\n .example.net\n,other.example:8443, platform.example \r\n"}, "", ""},
		"but not for some, in small letters": {map[string]string{"HTTP_PROXY": proxy, "no_proxy": "*\n"}, "", ""},
		"for others than some":               {map[string]string{"HTTPS_PROXY": proxy, "NO_PROXY": "::1,[fd00::1]:443,*.svc"}, "", proxy},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, with("UPSTREAM_URL", "https://platform.example/"))
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			s, warnings, err := Load()
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v, warnings %v", err, warnings)
			}
			if got := chosen(t, s, "http://platform.example/"); got != c.http {
				t.Errorf("http goes by %q, want %q", got, c.http)
			}
			if got := chosen(t, s, "https://platform.example/"); got != c.https {
				t.Errorf("https goes by %q, want %q", got, c.https)
			}
			// What reads the variables itself sees the same: the exporters of telemetry.
			for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
				t.Setenv(name, os.Getenv(name)) // put back at the end
			}
			s.Upstream.Proxy.Export()
			again, _, err := Load()
			if err != nil || chosen(t, again, "http://platform.example/") != c.http || chosen(t, again, "https://platform.example/") != c.https ||
				strings.TrimSpace(os.Getenv("HTTPS_PROXY")) != os.Getenv("HTTPS_PROXY") || os.Getenv("https_proxy") != "" {
				t.Errorf("%v; exported are %q and %q", err, os.Getenv("HTTP_PROXY"), os.Getenv("HTTPS_PROXY"))
			}
			if rows := printed(t, s.PrintAll); strings.Contains(rows["HTTP_PROXY"]+rows["HTTPS_PROXY"], "p%25w") || strings.HasPrefix(rows["HTTP_PROXY"], "- ") != (s.Upstream.Proxy.config.HTTPProxy == "") {
				t.Errorf("printed as %q and %q", rows["HTTP_PROXY"], rows["HTTPS_PROXY"])
			}
		})
	}
}

// net/http goes without a proxy, and without a word, where it cannot parse one.
func TestAProxyThatCannotBeParsedIsAWrongSetting(t *testing.T) {
	for name, value := range map[string]string{
		"a raw % in the password":        "http://user:s3%cret@proxy:3128",
		"a raw % at its end":             "http://user:s3cret%@proxy:3128",
		"a raw / in the password":        "http://user:s3/cret@proxy:3128",
		"a number and a / in it":         "http://user:3/s3cret@proxy:3128",
		"a raw # in it":                  "http://user:3#s3cret@proxy:3128",
		"a raw ? in it":                  "http://user:3?s3cret@proxy:3128",
		"a blank in it":                  "http://user:s3 cret@proxy:3128",
		"the same without a scheme":      "user:s3%cret@proxy:3128",
		"a line end in the middle":       "http://user:s3cret@proxy\n:3128",
		"a space without a width":        "http://user:s3\u200bcret@proxy:3128",
		"not UTF-8":                      "http://user:s3cr\xe9t@proxy:3128",
		"a path":                         "http://user:s3cret@proxy:3128/way",
		"no host":                        "http://user:s3cret@:3128",
		"no host at all":                 "http://",
		"a port that is none":            "http://user:s3cret@proxy:http",
		"a port beyond the last":         "http://user:s3cret@proxy:65536",
		"the port 0":                     "http://user:s3cret@proxy:0",
		"a scheme that nobody knows":     "socks4://user:s3cret@proxy:1080",
		"a scheme that is no proxy's":    "ftp://user:s3cret@proxy",
		"a scheme and one slash":         "http:/user:s3cret@proxy:3128",
		"a sentence":                     "see the wiki: s3cret",
		"quotes":                         `"http://user:s3cret@proxy:3128"`,
		"an address of IPv6 left open":   "http://user:s3cret@[fd00::1:3128",
		"two of them":                    "http://user:s3cret@proxy:3128,http://proxy2:3128",
		"two of them, without a comma":   "http://user:s3cret@proxy:3128 http://proxy2:3128",
		"a variable that was not filled": "http://${PROXY_USER}:s3cret@proxy:$(PORT)",
	} {
		for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			t.Run(name+" in "+variable, func(t *testing.T) {
				environment(t, with())
				t.Setenv(variable, value)
				_, _, err := Load()
				invalid, is := errors.AsType[*Invalid](err)
				if !is || len(invalid.Settings) != 1 || invalid.Settings[0].Name != variable {
					t.Fatalf("got %v, want %s alone", err, variable)
				}
				for _, part := range []string{"s3", "cret", "proxy2", "PORT"} {
					if strings.Contains(invalid.Settings[0].Text, part) {
						t.Errorf("the line repeats the value: %s", invalid.Settings[0])
					}
				}
			})
		}
	}
}

func TestNoProxy(t *testing.T) {
	for name, c := range map[string]struct{ entry, refused, warned string }{
		"a range that is none":      {"10.0.0.0/33", "NO_PROXY: entry 2 is no range", ""},
		"a path":                    {"platform.example/x", "NO_PROXY: entry 2 is no range", ""},
		"a URL":                     {"https://platform.example", "NO_PROXY: entry 2 is a URL", ""},
		"blanks for commas":         {"a.example platform.example", "NO_PROXY: entry 2 holds a blank", ""},
		"a semicolon":               {"a.example;platform.example", "NO_PROXY: entry 2 holds a blank or a semicolon", ""},
		"a port that is none":       {"platform.example:https", "NO_PROXY: entry 2 has no host, or a port", ""},
		"no host":                   {":44311", "NO_PROXY: entry 2 has no host", ""},
		"what nobody sees":          {"platform.example\u200b", "NO_PROXY: holds U+200B at byte 27", ""},
		"a * at the end":            {"192.168.*", "", "NO_PROXY: entry 2 has a *"},
		"a * without a point":       {"*example", "", "NO_PROXY: entry 2 has a *"},
		"an address in brackets":    {"[fd00::1]", "", "NO_PROXY: entry 2 is an address in brackets"},
		"nothing between two comma": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, with("HTTPS_PROXY", "http://proxy:3128", "NO_PROXY", "localhost, "+c.entry+",x"))
			s, warnings, err := Load()
			refused, warned := "", ""
			if err != nil {
				refused = err.Error()
			}
			for _, w := range warnings {
				warned += w.String()
			}
			if !strings.HasPrefix(refused, c.refused) || (refused == "") != (c.refused == "") || !strings.HasPrefix(warned, c.warned) || (warned == "") != (c.warned == "") {
				t.Errorf("refused %q, warned %q", refused, warned)
			}
			var table strings.Builder
			if err := s.PrintAll(&table); err != nil {
				t.Fatal(err)
			}
			if row := line(table.String(), "NO_PROXY"); refused != "" && strings.Contains(row, c.entry) { // it may be a URL with a password
				t.Errorf("what is refused is shown: %s", row)
			}
		})
	}
	environment(t, with("NO_PROXY", "10.0.0.0/33"))
	if _, warnings, err := Load(); err != nil || len(warnings) > 0 {
		t.Errorf("without a proxy: %v, %v", err, warnings)
	}
}

func TestAVariableThatIsNotReadIsSaid(t *testing.T) {
	for _, name := range []string{"ALL_PROXY", "all_proxy"} {
		environment(t, with(name, "socks5://user:s3cret@proxy:1080"))
		_, warnings, err := Load()
		if err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), name+": is not read") || strings.Contains(warnings[0].Text, "s3cret") {
			t.Errorf("%v, %v", err, warnings)
		}
		t.Setenv("HTTPS_PROXY", "http://proxy:3128")
		if _, warnings, err = Load(); err != nil || len(warnings) > 0 {
			t.Errorf("beside HTTPS_PROXY: %v, %v", err, warnings)
		}
	}
}
