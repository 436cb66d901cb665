package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"release-forwarder/upstream"
)

func TestExplainARefusedSignature(t *testing.T) {
	params := []upstream.Param{
		{Name: "app_id", Value: "op1"}, {Name: "flow_no", Value: "F-1"}, {Name: "operator", Value: "张三"},
		{Name: "park_uuid", Value: "p-1"}, {Name: "plate", Value: "粤B12345"}, {Name: "reason", Value: "a&b=c +1"},
	}
	const same = "app_id=op1&flow_no=F-1&operator=张三&park_uuid=p-1&plate=粤B12345&reason=a&b=c +1"
	const secret = "&app_secret=***"
	for name, c := range map[string]struct{ hint, says string }{
		"nothing":                    {"", "the platform shows no string to compare with"},
		"words alone":                {"签名验证不通过", "the platform shows no string to compare with"},
		"no parameter before it":     {"x&app_secret=***", "the platform shows no string to compare with"},
		"the same":                   {same + secret, "both strings to sign are the same: the secret is not the one the platform has for this app_id, or this lot; both look the same but"},
		"the same in brackets":       {"签名验证不通过[" + same + secret + "]", "both strings to sign are the same"},
		"question mark":              {strings.Replace(same, "粤", "?", 1) + secret, "plate: ? where a character beyond ASCII was: the charset"},
		"a question mark for a byte": {strings.Replace(same, "粤", "???", 1) + secret, "plate: ? where"},
		"the replacement character":  {strings.Replace(same, "粤", "\uFFFD", 1) + secret, "plate: ? where"},
		"two fields":                 {strings.NewReplacer("粤", "?", "张三", "??").Replace(same) + secret, "operator: ? where a character beyond ASCII was: the charset is not UTF-8 on the way; plate: ? where"},
		"read as Latin-1":            {strings.Replace(same, "粤", "ç²¤", 1) + secret, "plate: other characters beyond ASCII: read in another charset, such as GBK"},
		"read as GBK":                {strings.Replace(same, "粤B", "绮", 1) + secret, "plate: other characters beyond ASCII"},
		"another app_id":             {strings.Replace(same, "op1", "op2", 1) + secret, "app_id: another value there; the app_id is not the one"},
		"without the app_id":         {strings.TrimPrefix(same, "app_id=op1&") + secret, "app_id: missing there; the app_id is not"},
		"an empty value signed":      {same + "&timestamp=" + secret, "timestamp: signed there although it is empty"},
		"an empty value of ours":     {strings.Replace(same, "F-1", "", 1) + secret, "flow_no: empty there"},
		"encoded":                    {strings.Replace(same, "粤B12345", "%E7%B2%A4B12345", 1) + secret, "plate: signed as it is encoded"},
		"a plus for a blank":         {strings.Replace(same, "c +1", "c  1", 1) + secret, "reason: blank or line end otherwise"},
		"another value":              {strings.Replace(same, "p-1", "p-2", 1) + secret, "park_uuid: another value there"},
		"one more of the API":        {same + "&sign_type=MD5" + secret, "sign_type: not sent by us"},
		"one more of an event":       {same + "&car_desc=x" + secret, "car_desc: not sent by us"},
		"it begins with one more":    {"x[car_desc=x&" + same + secret, "car_desc: not sent by us"},
		"one more that is not":       {same + "&张三=MD5&hunter2=x" + secret, "a parameter that is not the API's: not sent by us"},
		"another order":              {"flow_no=F-1&" + strings.Replace(same, "flow_no=F-1&", "", 1) + secret, "the same parameters in another order"},
		// "&=" begins no parameter, so all of it is the plate's value.
		"garbage": {"plate=" + strings.Repeat("&=&", 1000) + secret, "plate: another value there"},
	} {
		t.Run(name, func(t *testing.T) {
			got := upstream.Explain(params, c.hint, []string{"car_desc"})
			if !strings.Contains(got, c.says) {
				t.Errorf("%q, want %q", got, c.says)
			}
			for _, personal := range []string{"粤", "张三", "12345", "F-1", "op1", "op2", "p-1", "hunter2", "***"} {
				if strings.Contains(got, personal) {
					t.Errorf("%q holds %q", got, personal)
				}
			}
		})
	}
}

// Every kind of answer about the signature has an explanation.
func TestAnswersAboutTheSignatureAreExplained(t *testing.T) {
	for name, c := range map[string]struct {
		body      string
		explained bool
	}{
		"401":                      {`{"code":"401","hint":"flow_no=FLOW000001&operator=??&park_uuid=p-1&plate=?B12345&x=1&app_secret=***"}`, true},
		"401 without a hint":       {`{"code":401}`, true},
		"a success with a hint":    {`{"code":"200","hint":"签名验证不通过[x]"}`, true},
		"403":                      {`{"code":"403","hint":"plate=?&app_secret=***"}`, false},
		"accepted":                 {`{"code":"1001","hint":"plate=?&app_secret=***"}`, false},
		"another code with a hint": {`{"code":"500","hint":"plate=?&app_secret=***"}`, false},
	} {
		server := newPlatform(t, nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) })
		conf := config(server.URL)
		conf.SuccessCodes, conf.Fields = []string{"1001", "200"}, []string{"x"}
		answer := client(t, conf).Deliver(context.Background(), upstream.Request{Params: release})
		if (answer.Explanation != "") != c.explained {
			t.Errorf("%s: %v %q", name, answer.Verdict, answer.Explanation)
		}
		if name == "401" && !strings.Contains(answer.Explanation, "x: not sent by us") {
			t.Errorf("a field of Config.Fields is not named: %q", answer.Explanation)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("flow_no=1&plate=?B&app_secret=***", "粤B")
	f.Add("&app_secret=", "a&b=c")
	f.Fuzz(func(t *testing.T, hint, plate string) {
		params := []upstream.Param{{Name: "flow_no", Value: "1"}, {Name: "plate", Value: plate}}
		got := upstream.Explain(params, hint, nil)
		if got == "" || len(got) > 2000 {
			t.Errorf("%d bytes", len(got))
		}
		for _, r := range got {
			if r >= 0x80 {
				t.Errorf("%q", got)
			}
		}
		own := upstream.StringToSign(params, "***")
		if plate != "" && !strings.Contains(plate, "app_secret") && !strings.HasPrefix(upstream.Explain(params, own, nil), "both strings") {
			t.Errorf("its own string: %q", upstream.Explain(params, own, nil))
		}
	})
}

func ExampleExplain() {
	params := []upstream.Param{{Name: "park_uuid", Value: "p-1"}, {Name: "plate", Value: "粤KKKKKK"}}
	fmt.Println(upstream.Explain(params, "park_uuid=p-1&plate=?KKKKKK&app_secret=***", nil))
	// Output: plate: ? where a character beyond ASCII was: the charset is not UTF-8 on the way
}
