package settings

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Proxy is which proxy a request uses, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY, each in
// capitals or else in small letters. net/http reads them itself, but silently uses no proxy
// if one of them cannot be parsed.
type Proxy struct {
	config httpproxy.Config
	choose func(*url.URL) (*url.URL, error) // made of config; nil: no proxy for any
}

// For chooses the proxy for a request, by net/http's own rules; nil: none.
func (p Proxy) For(req *http.Request) (*url.URL, error) {
	if p.choose == nil {
		return nil, nil
	}
	return p.choose(req.URL)
}

// Export sets the variables to what is in force, for those who read them by themselves:
// the exporters of telemetry. It must come before the first request, since net/http
// reads them once.
func (p Proxy) Export() {
	for _, v := range p.variables() {
		_ = os.Unsetenv(strings.ToLower(v.Name)) // neither fails with such names
		_ = os.Setenv(v.Name, v.Value)
	}
}

// variables are the three as they are in force.
func (p Proxy) variables() []Shown {
	return []Shown{{"HTTP_PROXY", p.config.HTTPProxy}, {"HTTPS_PROXY", p.config.HTTPSProxy}, {"NO_PROXY", p.config.NoProxy}}
}

// judgeProxy reads the variables. No line repeats a value: it may hold a password.
func (l *loader) judgeProxy() {
	c := &l.s.Upstream.Proxy.config
	c.HTTPProxy, c.HTTPSProxy = l.proxy("HTTP_PROXY"), l.proxy("HTTPS_PROXY")
	if c.HTTPProxy+c.HTTPSProxy != "" {
		c.NoProxy = l.noProxy()
	}
	if name, text, _ := either("ALL_PROXY", Text); text != "" && c.HTTPProxy+c.HTTPSProxy == "" {
		l.warn(name, "is not read: requests go without a proxy; set HTTPS_PROXY, or HTTP_PROXY for an http:// platform")
	}
	l.s.Upstream.Proxy.choose = c.ProxyFunc()
	for _, v := range l.s.Upstream.Proxy.variables() {
		if v.Value != "" && v.Name != "NO_PROXY" {
			v.Value = showURL(v.Value)
		}
		l.s.outside = append(l.s.outside, v)
	}
}

// either returns the variable of a name in capitals, or else in small letters. Where
// the text is wrong, it is as given.
func either(capitals string, clean func(string) (string, error)) (name, text string, err error) {
	for _, name = range []string{capitals, strings.ToLower(capitals)} {
		if text, err = clean(os.Getenv(name)); err != nil {
			return name, os.Getenv(name), err
		}
		if text != "" {
			return name, text, nil
		}
	}
	return capitals, "", nil
}

// proxy returns the address in force of one of the two, with its scheme; "": none.
func (l *loader) proxy(capitals string) string {
	name, text, err := either(capitals, Text)
	if err == nil && text != "" {
		if !strings.Contains(text, "://") {
			text = "http://" + text // as net/http takes it
		}
		err = judgeProxyURL(text)
	}
	if err != nil {
		l.refuse(name, "%s", err)
		return ""
	}
	return text
}

// proxySchemes are those that [http.Transport] knows.
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// judgeProxyURL demands what leaves no doubt about the proxy: with a raw / in a password
// the user's name would be taken for the host.
func judgeProxyURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Hostname() == "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return errors.New("is no address of a proxy; give for example http://proxy:3128; in a user or password write % / ? # : as %25 %2F %3F %23 %3A")
	case !slices.Contains(proxySchemes, u.Scheme):
		return fmt.Errorf("has a scheme that is none of a proxy; give one of %s", strings.Join(proxySchemes, ", "))
	case u.Port() != "" && !isPort(u.Port()):
		return errors.New("has a port that does not exist; give one from 1 to 65535")
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// noProxy returns the list of hosts in force. What net/http would pass over is
// refused, or warned of where other programs know it: lists are shared.
func (l *loader) noProxy() string {
	name, text, err := either("NO_PROXY", listText)
	if err != nil {
		l.refuse(name, "%s", err)
		return ""
	}
	entries, _ := parts(text, ",") // clean as a whole, clean in parts
	var kept []string              // wrong entries are not shown: one may be a proxy's URL with a password
	for i, entry := range entries {
		wrong, odd := judgeNoProxy(entry)
		switch {
		case wrong != "":
			l.refuse(name, "entry %d %s; give hosts, .domains, addresses or ranges, separated by commas", i+1, wrong)
			continue
		case odd != "":
			l.warn(name, "entry %d %s: it keeps nothing from the proxy", i+1, odd)
		}
		kept = append(kept, entry)
	}
	return strings.Join(kept, ",")
}

func judgeNoProxy(entry string) (wrong, odd string) {
	host, port, err := net.SplitHostPort(entry)
	_, isAddress := netip.ParseAddr(strings.Trim(entry, "[]"))
	switch {
	case entry == "*":
	case strings.Contains(entry, "://"):
		return "is a URL", ""
	case strings.ContainsAny(entry, " \t;"):
		return "holds a blank or a semicolon", ""
	case strings.Contains(entry, "/"):
		if _, _, err := net.ParseCIDR(entry); err != nil {
			return "is no range of addresses", ""
		}
	case strings.Contains(strings.TrimPrefix(entry, "*."), "*"):
		return "", "has a * that is not at its begin, before a point"
	case isAddress == nil && strings.HasPrefix(entry, "["):
		return "", "is an address in brackets without a port"
	case isAddress == nil:
	case err == nil && (host == "" || !isPort(port)):
		return "has no host, or a port that does not exist", ""
	case err != nil && strings.Contains(entry, ":"):
		return "is neither host:port nor an address", ""
	}
	return "", ""
}
