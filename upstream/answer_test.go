package upstream

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"release-forwarder/upstream/credential"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"", 0, false},
		{"7", 7 * time.Second, true},
		{" 7 ", 7 * time.Second, true},
		{"0", 0, true},
		{"30", 30 * time.Second, true},
		{"31", 30 * time.Second, true},
		{"99999999999999999999999", 30 * time.Second, true},
		{"9223372036854775807", 30 * time.Second, true},
		{"-1", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
		{"Sun, 01 Mar 2026 12:00:09 GMT", 9 * time.Second, true},
		{"Sun, 01 Mar 2026 11:59:00 GMT", 0, true},
		{"Sun, 01 Mar 2036 12:00:00 GMT", 30 * time.Second, true},
		{"Sunday, 01-Mar-26 12:00:09 GMT", 9 * time.Second, true},
		{"Sun Mar  1 12:00:09 2026", 9 * time.Second, true},
	} {
		got, ok := retryAfter(http.Header{"Retry-After": {c.value}}, now, 30*time.Second)
		if got != c.want || ok != c.ok {
			t.Errorf("%q: %v %v, want %v %v", c.value, got, ok, c.want, c.ok)
		}
	}
}

func TestCleanText(t *testing.T) {
	for _, c := range []struct{ name, text, secret, want string }{
		{"as it came", "签名 ok", "s3cret", "签名 ok"},
		{"secret", "a s3cret b s3cret", "s3cret", "a *** b ***"},
		{"secret as in a form", "app_secret=a%26%2Bb", "a&+b", "app_secret=***"},
		{"secret with spaces as in a path", "a%20b%2Bc", "a b+c", "***"},
		{"secret as in a form, a space as in a path", "a%20b%2Fc", "a b/c", "***"},
		{"secret in lower-case digits", "Z%2fa%2bZ Z%2Fa+Z", "Z/a+Z", "*** ***"},
		{"no secret", "abc", "", "abc"},
		{"not UTF-8", "a\xff\xfeb", "s", "a\uFFFDb"},
		{"cut between code points", strings.Repeat("签", 400), "s", strings.Repeat("签", 341)},
		{"redacted before it is cut", strings.Repeat("x", 1022) + "s3cret", "s3cret", strings.Repeat("x", 1022) + "**"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := clean(c.text, credential.NewSecret(c.secret))
			if got != c.want || !utf8.ValidString(got) || len(got) > maxText {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSanitize(t *testing.T) {
	for _, s := range []string{"a", "1001", "PARKUUID-XXXX_x.9", strings.Repeat("a", 64)} {
		if got := Sanitize(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	for _, s := range []string{"", "粤B12345", "a b", "a/b", "a\n", strings.Repeat("a", 65), "\x00"} {
		if got := Sanitize(s); got != "?" {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	for _, c := range []struct{ least, most, first, second time.Duration }{
		{100 * time.Millisecond, time.Second, 200 * time.Millisecond, 400 * time.Millisecond},
		{100 * time.Millisecond, 150 * time.Millisecond, 150 * time.Millisecond, 150 * time.Millisecond},
		{time.Second, time.Second, time.Second, time.Second},
	} {
		for n, bound := range []time.Duration{c.first, c.second, min(8*c.least, c.most)} {
			seen := map[time.Duration]bool{}
			for range 200 {
				wait := backoff(c.least, c.most, n, nil)
				if wait < c.least || wait > bound {
					t.Fatalf("retry %d waits %v, not %v to %v", n, wait, c.least, bound)
				}
				seen[wait] = true
			}
			if jitter := len(seen) > 1; jitter != (c.least < bound) {
				t.Errorf("retry %d from %v to %v: %d different waits", n, c.least, bound, len(seen))
			}
		}
		if wait := backoff(c.least, c.most, 1000, nil); wait > c.most {
			t.Errorf("retry 1000 waits %v", wait)
		}
	}
}
