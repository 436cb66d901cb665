package upstream_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"release-forwarder/upstream"
)

// scripted is one answer of the platform.
type scripted struct {
	status int
	header http.Header
	body   string
}

func (s scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name, values := range s.header {
		w.Header()[name] = values
	}
	w.WriteHeader(s.status)
	if s.status != http.StatusNoContent && s.status != http.StatusNotModified {
		_, _ = io.WriteString(w, s.body)
	}
}

var statuses = []int{200, 201, 301, 302, 307, 308, 400, 401, 403, 404, 418, 429, 500, 502, 503, 504}

// Every row of docs/reference/answers.md, under every HTTP status: if the body is
// readable, the status does not matter.
func TestVerdicts(t *testing.T) {
	always := func(v upstream.Verdict) func(int, bool) upstream.Verdict {
		return func(int, bool) upstream.Verdict { return v }
	}
	busy := func(_ int, retryAfter bool) upstream.Verdict {
		if retryAfter {
			return upstream.Throttled
		}
		return upstream.Failed
	}
	unreadable := func(status int, retryAfter bool) upstream.Verdict {
		if status == 429 || status == 503 && retryAfter {
			return upstream.Throttled
		}
		return upstream.Unreadable
	}
	rows := []struct {
		body string
		want func(status int, retryAfter bool) upstream.Verdict
	}{
		{`{"code":"1001","message":"OK"}`, always(upstream.Accepted)},
		{`{"code":1001}`, always(upstream.Accepted)},
		{`{"code":" 1001 "}`, always(upstream.Accepted)},
		{`{"code":"1001","hint":"all is well"}`, always(upstream.Accepted)},
		{`{"code":"200"}`, always(upstream.Accepted)},
		{`{"code":"200","hint":""}`, always(upstream.Accepted)},
		{`{"code":200,"message":"已忽略当前请求","hint":"签名验证不通过[x]"}`, always(upstream.Refused)},
		{`{"code":"1000","hint":{"why":1}}`, always(upstream.Refused)},
		{`{"code":"400","hint":"plate"}`, always(upstream.Permanent)},
		{`{"code":409}`, always(upstream.Permanent)},
		{`{"code":"401"}`, always(upstream.Refused)},
		{`{"code":403}`, always(upstream.Refused)},
		{`{"code":"429"}`, always(upstream.Throttled)},
		{`{"code":"503"}`, busy},
		{`{"code":"500"}`, always(upstream.Failed)},
		{`{"code":"10010"}`, always(upstream.Failed)},
		{`{"code":"01001"}`, always(upstream.Failed)},
		{`{"code":""}`, always(upstream.Failed)},
		{``, unreadable},
		{`<html>1001</html>`, unreadable},
		{`{"code":"1001"`, unreadable},
		{`{"code":"1001"}}`, unreadable},
		{`{"code":"1001","code":"1001"}`, unreadable},
		{`{"code":1001.0}`, unreadable},
	}
	var now scripted
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) { now.ServeHTTP(w, r) })
	c := config(server.URL)
	c.SuccessCodes, c.PermanentCodes = []string{"1001", " 200", "1000"}, []string{"400", "409 "}
	deliverer := client(t, c)
	for _, row := range rows {
		for _, status := range statuses {
			for _, retryAfter := range []bool{false, true} {
				now = scripted{status, http.Header{"Location": {"/elsewhere?1001"}}, row.body}
				if retryAfter {
					now.header.Set("Retry-After", "7")
				}
				answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release})
				if want := row.want(status, retryAfter); answer.Verdict != want {
					t.Errorf("HTTP %d, Retry-After %v, %s: %v, want %v", status, retryAfter, row.body, answer.Verdict, want)
				}
				if answer.HTTPStatus != status || answer.HasRetryAfter != retryAfter || answer.Attempts != 1 {
					t.Errorf("HTTP %d, %s: %+v", status, row.body, answer)
				}
				if strings.Contains(row.body, " 1001 ") && answer.Code != "1001" {
					t.Errorf("code %q is not trimmed", answer.Code)
				}
				if noCode := answer.Code == "" && row.body != `{"code":""}`; (answer.Err != nil) != noCode {
					t.Errorf("HTTP %d, %s: code %q and error %v", status, row.body, answer.Code, answer.Err)
				}
			}
		}
	}
}

// The client asks for gzip, once: net/http would ask for it and unpack it by itself if the
// client did not.
func TestGzipIsAskedFor(t *testing.T) {
	asked := make(chan []string, 1)
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Values("Accept-Encoding")
		_, _ = io.WriteString(w, `{"code":"1001"}`)
	})
	client(t, config(server.URL)).Deliver(t.Context(), upstream.Request{Params: release})
	if got := <-asked; !slices.Equal(got, []string{"gzip"}) {
		t.Errorf("asked for %q", got)
	}
}

func TestBodiesThatAreNoAnswer(t *testing.T) {
	const yes = `{"code":"1001"}`
	pad := func(size int) string {
		return `{"code":"1001","x":"` + strings.Repeat("a", size-len(`{"code":"1001","x":""}`)) + `"}`
	}
	zipped := func(w http.ResponseWriter, body io.Reader, cut int) {
		var packed strings.Builder
		z := gzip.NewWriter(&packed)
		_, _ = io.Copy(z, body)
		_ = z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, packed.String()[:packed.Len()-cut])
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   upstream.Verdict
	}{
		"64 KiB":                     {func(w http.ResponseWriter) { _, _ = io.WriteString(w, pad(64<<10)) }, upstream.Accepted},
		"a byte more":                {func(w http.ResponseWriter) { _, _ = io.WriteString(w, pad(64<<10+1)) }, upstream.Unreadable},
		"65 KiB of blanks":           {func(w http.ResponseWriter) { _, _ = io.WriteString(w, yes+strings.Repeat(" ", 65<<10)) }, upstream.Unreadable},
		"65 KiB in chunks":           {func(w http.ResponseWriter) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, pad(65<<10)) }, upstream.Unreadable},
		"chunks":                     {func(w http.ResponseWriter) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, yes) }, upstream.Accepted},
		"gzip":                       {func(w http.ResponseWriter) { zipped(w, strings.NewReader(yes), 0) }, upstream.Accepted},
		"gzip cut in its checksum":   {func(w http.ResponseWriter) { zipped(w, strings.NewReader(yes), 3) }, upstream.Unreadable},
		"gzip that unpacks to 1 MiB": {func(w http.ResponseWriter) { zipped(w, io.LimitReader(zeros{}, 1<<20), 0) }, upstream.Unreadable},
		"not gzip at all":            {func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); _, _ = io.WriteString(w, yes) }, upstream.Unreadable},
		"204":                        {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, upstream.Unreadable},
		"cut by length":              {func(w http.ResponseWriter) { hangUp(w, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"+yes) }, upstream.Unreadable},
		"cut before the last chunk": {func(w http.ResponseWriter) {
			hangUp(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n"+yes+"\r\n")
		}, upstream.Unreadable},
		"ended by the connection": {func(w http.ResponseWriter) { hangUp(w, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+yes) }, upstream.Accepted},
		"no answer":               {func(w http.ResponseWriter) { hangUp(w, "") }, upstream.Unreachable},
		"an answer that is none":  {func(w http.ResponseWriter) { hangUp(w, yes) }, upstream.Unreachable},
		"headers without end": {func(w http.ResponseWriter) {
			hangUp(w, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("粤B12345", 20000)+"\r\n\r\n"+yes)
		}, upstream.Unreachable},
		"two lengths that do not agree": {func(w http.ResponseWriter) {
			hangUp(w, "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nContent-Length: 16\r\n\r\n"+yes)
		}, upstream.Unreachable},
		"a redirect that cannot be read": {func(w http.ResponseWriter) {
			hangUp(w, "HTTP/1.1 302 Found\r\nLocation: http://%zz/粤B12345\r\nContent-Length: 15\r\n\r\n"+yes)
		}, upstream.Accepted},
	} {
		t.Run(name, func(t *testing.T) {
			server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				c.answer(w)
			})
			answer := client(t, config(server.URL)).Deliver(t.Context(), upstream.Request{Params: release})
			if answer.Verdict != c.want {
				t.Errorf("%v (%v), want %v", answer.Verdict, answer.Err, c.want)
			}
			if answer.Err != nil && strings.ContainsAny(answer.Err.Error(), "{粤") {
				t.Errorf("the error quotes the answer: %v", answer.Err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var paths []string
		server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.Path)
			w.Header().Set("Location", "/other")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<a href=/other>moved</a>")
		})
		answer := client(t, config(server.URL+"/first")).Deliver(t.Context(), upstream.Request{Params: release})
		if answer.Verdict != upstream.Unreadable || fmt.Sprint(paths) != "[/first]" {
			t.Errorf("HTTP %d: %v after %v", status, answer.Verdict, paths)
		}
	}
}

// The words are the values of the metric's label: alerts rely on them.
func TestVerdictWords(t *testing.T) {
	var words []string
	for _, v := range upstream.Verdicts() {
		words = append(words, v.String())
	}
	if got, want := strings.Join(words, " "), "accepted permanent refused throttled failed unreadable timeout unreachable"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if upstream.Cut.String() != "cut" || upstream.Verdict(99).String() != "unknown" || upstream.Verdict(-1).String() != "unknown" {
		t.Error("cut or unknown is named otherwise")
	}
}
