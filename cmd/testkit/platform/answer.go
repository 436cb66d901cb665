package platform

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// The platform's codes, from its table of answers.
const (
	CodeAccepted  = "1001"
	CodeBadParam  = "400"
	CodeUnsigned  = "401"
	CodeForbidden = "403"
	CodeError     = "500"
	CodeBusy      = "503"
)

// dataNode names the double where the platform names its node.
const dataNode = "CN-South/DOUBLE-1"

// answer is a decided answer; its zero value is none.
type answer struct {
	code     string
	hint     string
	scripted bool
}

// Body is the platform's answer as JSON (docs/platform-api.md, "Answers").
type Body struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	Seqno    string `json:"seqno"`
	DataNode string `json:"data_node"`
	Path     string `json:"path,omitempty"`
}

// String is the body as the platform sends it; scripts use it for a [Reply].
func (b Body) String() string {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // a hint shows & as it is, as the platform's does
	if err := enc.Encode(b); err != nil {
		panic(err) // six strings always encode
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// messages are the texts beside the codes.
var messages = map[string]string{
	CodeAccepted: "OK",
	CodeBadParam: "参数错误",
	CodeUnsigned: "请求签名校验不通过",
}

// write sends the answer of the normal path.
func (a answer) write(w http.ResponseWriter, r *http.Request, seqno string) {
	b := Body{Code: a.code, Message: messages[a.code], Hint: a.hint, Seqno: seqno, DataNode: dataNode}
	status := http.StatusOK
	if a.code != CodeAccepted {
		b.Path = r.Method + " " + r.URL.Path
		if n, err := strconv.Atoi(a.code); err == nil {
			status = n
		}
	}
	text := b.String()
	h := w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that left has no use for it
}

// write sends a scripted answer, or closes the connection.
func (r *Reply) write(w http.ResponseWriter) {
	if r.Cut && r.Status == 0 && r.Body == "" {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	for name, values := range r.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if r.Status == 0 {
		r = &Reply{Status: http.StatusOK, Body: r.Body, Cut: r.Cut}
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write([]byte(r.Body)) // as above
	if r.Cut {
		_ = http.NewResponseController(w).Flush() // what cannot be flushed is cut as well
		panic(http.ErrAbortHandler)
	}
}

// codeOf reads the code of a scripted body for the record; "" where it has none.
func codeOf(body string) string {
	var b struct {
		Code any `json:"code"`
	}
	if json.Unmarshal([]byte(body), &b) != nil {
		return ""
	}
	switch c := b.Code.(type) {
	case string:
		return strings.TrimSpace(c)
	case float64:
		return strconv.FormatFloat(c, 'f', -1, 64)
	}
	return ""
}
