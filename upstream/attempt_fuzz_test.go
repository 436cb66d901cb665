package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"release-forwarder/upstream/credential"
)

// The credentials of the fuzzer's request, which an answer may echo.
const fuzzSecret, fuzzNext = "k9/+secret of a lot", "the=next&one"

// onTheWire is an HTTP answer in bytes.
func onTheWire(status int, header string, body []byte) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d x\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
}

// FuzzAnswer: for any answer, the verdict equals that of a slow reader with another
// library, above all for Accepted and Permanent; texts are bounded and hold no secret;
// memory is proportional to the answer.
func FuzzAnswer(f *testing.F) {
	for _, body := range unreadable {
		if len(body) < 4096 { // the fuzzer is slow with long ones
			f.Add(onTheWire(200, "", []byte(body)))
		}
	}
	for _, body := range []string{
		`{"code":"1001","message":"OK","seqno":"abc6c253b93cc940"}`, ` {"code": 1001 }` + "\r\n", `{"code":" 1001 "}`, `{"code":"200"}`, `{"code":"200","hint":"x"}`,
		`{"code":"200","hint":"","hint":[]}`, `{"code":"1001","hint":"x"}`, `{"code":"400"}`, `{"code":"401","hint":"` + fuzzSecret + `&` + fuzzNext + `"}`, `{"code":"500"}`,
	} {
		f.Add(onTheWire(200, "", []byte(body)))
		f.Add(onTheWire(503, "Retry-After: 3\r\nLocation: https://elsewhere/?a=b\r\n", []byte(body)))
		f.Add(onTheWire(429, "Content-Encoding: gzip\r\n", packed(body)))
	}
	f.Add(onTheWire(200, "Content-Encoding: GZIP\r\n", packed(`{"code":"1001","x":"`+strings.Repeat("a", 1<<20)+`"}`)))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"cod\r\n9\r\ne\":1001 }\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{\"code\":\"1001\"}"))
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n{\"code\":\"1001\"}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		asked, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://platform.test/gate", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), asked)
		if err != nil {
			return
		}
		body, whole := slowBody(t, raw, asked)
		judged := rules{success: []string{"1001", "200"}, permanent: []string{"400"}}
		r := &reading{next: answering{resp}, rules: judged, retryAfterMax: 30 * time.Second}
		a := &attempt{Context: t.Context(), delivery: &delivery{Context: context.Background(), credential: credential.Credential{Secret: credential.NewSecret(fuzzSecret), Next: credential.NewSecret(fuzzNext)}}}
		before := allocatedBytes()
		_, err = r.exchange(asked, a)
		if took := allocatedBytes() - before; took > 2<<20+16*uint64(len(raw)) {
			t.Errorf("%d bytes allocated for an answer of %d", took, len(raw))
		}
		if err != nil {
			t.Fatalf("an answer came, and yet: %v", err)
		}
		want := slowVerdict(resp.StatusCode, body, whole, a.answer.HasRetryAfter)
		if got := a.answer.Verdict; got != want && (got == Accepted || got == Permanent || nesting(body) < 9000) { // deeper, the libraries differ
			t.Errorf("%q: %v, a slow reader says %v", raw, got, want)
		}
		checkTexts(t, &a.answer)
	})
}

// answering is a round tripper that has the answer already.
type answering struct{ resp *http.Response }

func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a.resp, nil }

func packed(body string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.Bytes()
}

// slowBody reads the body of an answer again; false if it is incomplete or too long.
func slowBody(t *testing.T, raw []byte, asked *http.Request) ([]byte, bool) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), asked)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.ContentLength > 64<<10 {
		return nil, false
	}
	from := io.Reader(resp.Body)
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		if from, err = gzip.NewReader(from); err != nil {
			return nil, false
		}
	}
	body, err := io.ReadAll(io.LimitReader(from, 64<<10+1))
	return body, err == nil && len(body) <= 64<<10
}

// slowVerdict applies the table of docs/reference/answers.md, with encoding/json.
func slowVerdict(status int, body []byte, whole, retryAfter bool) Verdict {
	code, hinted, readable := slowReply(body)
	code = strings.TrimSpace(code)
	switch {
	case !whole || !readable:
		if status == 429 || status == 503 && retryAfter {
			return Throttled
		}
		return Unreadable
	case code == "1001", code == "200" && !hinted:
		return Accepted
	case code == "200", code == "401", code == "403":
		return Refused
	case code == "400":
		return Permanent
	case code == "429", code == "503" && retryAfter:
		return Throttled
	}
	return Failed
}

func slowReply(body []byte) (code string, hinted, readable bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') || !json.Valid(body) {
		return "", false, false
	}
	var codes []json.RawMessage
	for d.More() {
		var value json.RawMessage
		name, err := d.Token()
		if err != nil || d.Decode(&value) != nil {
			return "", false, false
		}
		switch name {
		case "code":
			codes = append(codes, value)
		case "hint":
			var text *string
			hinted = hinted || json.Unmarshal(value, &text) != nil || text != nil && *text != ""
		}
	}
	if len(codes) != 1 {
		return "", false, false
	}
	if len(bytes.Trim(codes[0], "0123456789")) == 0 {
		return string(codes[0]), hinted, true
	}
	return code, hinted, codes[0][0] == '"' && json.Unmarshal(codes[0], &code) == nil
}

// nesting is at least how deep a body is nested.
func nesting(body []byte) int { return bytes.Count(body, []byte("[")) + bytes.Count(body, []byte("{")) }

// checkTexts checks the texts of an answer against what Answer promises.
func checkTexts(t *testing.T, a *Answer) {
	t.Helper()
	texts := []string{a.Code, a.Message, a.Hint, a.Seqno, a.Explanation}
	if a.Err != nil {
		texts = append(texts, a.Err.Error())
		if slices.ContainsFunc([]byte(a.Err.Error()), func(c byte) bool { return c < ' ' || c > '~' }) {
			t.Errorf("an error with more than plain words: %q", a.Err.Error())
		}
	}
	for _, text := range texts {
		if !utf8.ValidString(text) || len(text) > 2000 || strings.Contains(text, fuzzSecret) || strings.Contains(text, fuzzNext) {
			t.Errorf("kept: %q", text)
		}
	}
	if max(len(a.Code), len(a.Message), len(a.Hint), len(a.Seqno)) > maxText {
		t.Errorf("texts of %d, %d, %d and %d bytes", len(a.Code), len(a.Message), len(a.Hint), len(a.Seqno))
	}
	if a.RetryAfter < 0 || a.RetryAfter > 30*time.Second {
		t.Errorf("waits for %s", a.RetryAfter)
	}
}

// allocatedBytes returns the bytes allocated by the process so far.
func allocatedBytes() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
