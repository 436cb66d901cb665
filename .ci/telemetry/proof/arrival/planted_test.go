package arrival

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
)

// planted is what may be seen nowhere, by where it stands. Each is a word of its own, so that a find tells where it came
// from. P7 in docs/explanation/guarantees.md lists what may be seen.
var planted = map[string]string{
	"plate":          "沪PLATEQ7",
	"operator":       "赵OPERATORQ7",
	"reason":         "故障REASONQ7&=%+",
	"car_desc":       "临停CARDESCQ7",
	"flow_no":        "FLOWQ7",
	"parking_serial": "SERIALQ7",
	"other field":    "MEMOQ7",
	"lot":            "LOTQ7 号", // not of the characters that a lot may be shown in
	"key":            "KEYQ7",
	"header":         "HEADERQ7",
	"baggage":        "BAGGAGEQ7",
	"tracestate":     "TRACESTATEQ7",
	"message":        "信息MESSAGEQ7",
	"hint":           "提示HINTQ7",
	"body":           "BODYQ7<br>",
	"location":       "LOCATIONQ7",
	"code":           "CODEQ7 !",
	"seqno":          "SEQNOQ7 !",
	"query":          "QUERYQ7",
	"secret":         "SECRETQ7",
	"other secret":   "ZWEITSECRETQ7",
	"no secret":      "NOSECRETQ7",
	"bad value":      "BADVALUEQ7",
}

// core is the part of a planted text that stays together whatever is done to the characters beside it.
func core(text string) string {
	start := strings.IndexFunc(text, func(r rune) bool { return r >= 'A' && r <= 'Z' })
	return text[start : strings.Index(text, "Q7")+2]
}

// spellings are the forms in which a text would show: as it is, in a URL, in JSON of ASCII alone, in HTML, in hex, and in
// base64 wherever it begins in what is encoded.
func spellings(text string) map[string]string {
	all := map[string]string{"raw": text, "hex": hex.EncodeToString([]byte(text)), "HTML": html.EscapeString(text)}
	all["a query"], all["a path"] = url.QueryEscape(text), url.PathEscape(text)
	for name, format := range map[string]string{`\u and small letters`: `\u%04x`, `\u and capitals`: `\u%04X`} {
		var b strings.Builder
		for _, r := range text {
			fmt.Fprintf(&b, format, r)
		}
		all[name] = b.String()
	}
	var mixed strings.Builder
	for _, r := range text {
		if r < 128 {
			mixed.WriteRune(r)
		} else {
			fmt.Fprintf(&mixed, `\u%04x`, r)
		}
	}
	all["JSON of ASCII"] = mixed.String()
	for before := range 3 {
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("x", before) + text))
			// The first and last characters also hold bits of what stands beside the text.
			all[fmt.Sprintf("%s after %d bytes", name, before)] = encoded[(before*8+5)/6 : (before+len(text))*8/6]
		}
	}
	return all
}

// seen tells what is planted and stands in the text: by where it was planted, how it is spelt and what is around it.
func seen(text string) map[string]string {
	lower := strings.ToLower(text)
	all := map[string]string{}
	for from, word := range planted {
		for _, part := range []string{word, core(word)} {
			for spelling, form := range spellings(part) {
				i := strings.Index(text, form)
				if i < 0 && !strings.HasPrefix(spelling, "base64") {
					i = strings.Index(lower, strings.ToLower(form))
				}
				if i >= 0 {
					all[from] = fmt.Sprintf("%s, spelt as %s: …%s…", from, spelling, text[max(0, i-150):min(len(text), i+len(form)+50)])
				}
			}
		}
	}
	return all
}

// TestWhatIsPlantedIsFound: a search that finds nothing proves something only if it would.
func TestWhatIsPlantedIsFound(t *testing.T) {
	for from, word := range planted {
		for spelling, form := range spellings(word) {
			if seen(`{"a":"…` + form + `"}`)[from] == "" {
				t.Errorf("%s is not found, spelt as %s: %s", from, spelling, form)
			}
		}
		for _, whole := range []string{"x=1&y=" + word, "xx" + word + "!", word} {
			if seen(base64.StdEncoding.EncodeToString([]byte(whole)))[from] == "" {
				t.Errorf("%s is not found in base64 of %q", from, whole)
			}
		}
	}
	if got := seen(`{"msg":"dead letter written","topic":"events","code":"?","lot":"lot-1"}`); len(got) > 0 {
		t.Errorf("found where there is none: %q", got)
	}
}
