package upstream

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseReply(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       reply
	}{
		{"string", `{"code":"1001"}`, reply{code: "1001"}},
		{"number", `{"code":1001}`, reply{code: "1001"}},
		{"blanks", " {\t\"code\" : \" 1001 \" }\r\n", reply{code: " 1001 "}},
		{"all fields", `{"code":"401","message":"请求","hint":"plate=?","seqno":"17","data_node":"x"}`,
			reply{code: "401", message: "请求", hint: "plate=?", seqno: "17", hinted: true}},
		{"escaped name and value", `{"\u0063ode":"\u0031001"}`, reply{code: "1001"}},
		{"another case is another name", `{"Code":"1","code":"1001","CODE":"2"}`, reply{code: "1001"}},
		{"code within another object does not count", `{"data":{"code":"400"},"code":"1001"}`, reply{code: "1001"}},
		{"texts of other types", `{"code":"1","message":5,"hint":null,"seqno":{"a":[]}}`, reply{code: "1"}},
		{"a hint of another type is a hint", `{"code":"200","hint":["bad"]}`, reply{code: "200", hinted: true}},
		{"an empty hint is none", `{"code":"200","hint":""}`, reply{code: "200"}},
		{"text that is not UTF-8", "{\"code\":\"1001\",\"message\":\"\xc7\xeb\"}", reply{code: "1001", message: "\uFFFD\uFFFD"}},
		{"unpaired surrogate", `{"code":"1001","message":"\ud800"}`, reply{code: "1001", message: "\uFFFD"}},
		{"repeated other name", `{"code":"1001","a":1,"a":2}`, reply{code: "1001"}},
		{"leading zeros in a string", `{"code":"01001"}`, reply{code: "01001"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseReply([]byte(c.body))
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// unreadable are bodies without a code that counts.
var unreadable = map[string]string{
	"blank":               " \n",
	"cut off":             `{"code":"1001"`,
	"cut in a string":     `{"code":"1001","message":"O`,
	"trailing data":       `{"code":"1001"} x`,
	"two objects":         `{"code":"1001"}{"code":"1001"}`,
	"trailing comma":      `{"code":"1001",}`,
	"array":               `[{"code":"1001"}]`,
	"string":              `"1001"`,
	"number":              `1001`,
	"null":                `null`,
	"HTML":                `<html><body>{"code":"1001"}</body></html>`,
	"no code":             `{"message":"OK"}`,
	"empty object":        `{}`,
	"duplicate code":      `{"code":"1001","code":"1001"}`,
	"duplicate, escaped":  `{"code":"1001","c\u006fde":"500"}`,
	"code null":           `{"code":null}`,
	"code true":           `{"code":true}`,
	"code object":         `{"code":{"code":"1001"}}`,
	"code with a point":   `{"code":1001.0}`,
	"code with an exp":    `{"code":1001e0}`,
	"negative code":       `{"code":-1001}`,
	"leading zero":        `{"code":01001}`,
	"byte order mark":     "\uFEFF" + `{"code":"1001"}`,
	"single quotes":       `{'code':'1001'}`,
	"comment":             `{"code":"1001"} // yes`,
	"raw line end":        "{\"code\":\"1001\",\"message\":\"a\nb\"}",
	"NaN":                 `{"code":"1001","x":NaN}`,
	"deep":                `{"code":"1001","x":` + strings.Repeat("[", 30000) + strings.Repeat("]", 30000) + `}`,
	"JSON in GBK escapes": "{\"code\":\"1001\",\"message\":\"\x81\\\"}",
	"form":                `code=1001`,
}

func TestParseReplyUnreadable(t *testing.T) {
	for name, body := range unreadable {
		t.Run(name, func(t *testing.T) {
			if got, err := parseReply([]byte(body)); err == nil {
				t.Errorf("read as %+v", got)
			}
		})
	}
}

// The result must equal that of the standard library.
func FuzzParseReply(f *testing.F) {
	for _, body := range unreadable {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"code":"1001","message":"OK","hint":1}`))
	f.Add([]byte(`{"code":1001}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseReply(body)
		if err != nil {
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil {
			t.Fatalf("%q is no object: %v", body, err)
		}
		var text string
		if json.Unmarshal(object["code"], &text) != nil {
			text = string(object["code"])
		}
		if text != got.code {
			t.Errorf("%q: code %q, want %q", body, got.code, text)
		}
	})
}

func BenchmarkParseReply(b *testing.B) {
	body := []byte(`{"code":"1001","message":"OK","seqno":"abc6c253b93cc940","data_node":"CN-South/HS3-1"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseReply(body); err != nil {
			b.Fatal(err)
		}
	}
}
