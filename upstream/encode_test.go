package upstream

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
)

var awkward = []Param{
	{"a", "plain-_.~09AZ"},
	{"b", "粤B12345 学\u3000😀"},
	{"c", "a&b=c%20+d/e?f#g*h!'()"},
	{"d", "line\r\nend\n--boundary--\r\n\r\n"},
	{"e", "\"quoted\\\";"},
}

func TestFormIsWhatEveryServerDecodes(t *testing.T) {
	body, contentType := Form.encode(awkward, "ABC")
	if contentType != "application/x-www-form-urlencoded; charset=UTF-8" {
		t.Error("content type", contentType)
	}
	want := ""
	for _, p := range awkward {
		want += url.QueryEscape(p.Name) + "=" + url.QueryEscape(p.Value) + "&"
	}
	if want += "sign=ABC"; string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
}

func TestEscapeEveryByte(t *testing.T) {
	for c := range 256 {
		text := string([]byte{byte(c)})
		if got, want := string(appendEscaped(nil, text)), url.QueryEscape(text); got != want {
			t.Errorf("byte %#x: %s, want %s", c, got, want)
		}
	}
}

func TestMultipartParts(t *testing.T) {
	body, contentType := Multipart.encode(awkward, "ABC")
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		t.Fatal(contentType, err)
	}
	reader := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for _, want := range append(awkward[:len(awkward):len(awkward)], Param{"sign", "ABC"}) {
		part, err := reader.NextRawPart()
		if err != nil {
			t.Fatal(want.Name, err)
		}
		value, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if part.FormName() != want.Name || string(value) != want.Value {
			t.Errorf("got %s=%q, want %s=%q", part.FormName(), value, want.Name, want.Value)
		}
		if got := part.Header.Get("Content-Type"); got != "text/plain; charset=UTF-8" {
			t.Error("part's content type", got)
		}
	}
	if _, err := reader.NextRawPart(); !errors.Is(err, io.EOF) {
		t.Error("more parts:", err)
	}
	if other, _ := Multipart.encode(awkward, "ABC"); bytes.Equal(other, body) {
		t.Error("the boundary can be foretold")
	}
}

func TestClientsOwnParameters(t *testing.T) {
	given := []Param{{"app_id", "evil"}, {"park_uuid", "p"}, {"sign", "evil"}, {"aa", "1"}}
	for _, c := range []struct{ appID, want string }{
		{"op1", "aa=1&app_id=op1&park_uuid=p&app_secret=s"},
		{"", "aa=1&park_uuid=p&app_secret=s"},
	} {
		params := withAppID(given, c.appID)
		if got := string(appendToSign(nil, params, "s")); got != c.want {
			t.Errorf("signed %s, want %s", got, c.want)
		}
		if body := string(encodeForm(params, "S")); strings.Contains(body, "evil") {
			t.Errorf("sent %s", body)
		}
	}
}

func BenchmarkForm(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Form.encode(awkward, "C983693C5F603AEF30514920FA3158FF")
	}
}
