package platform

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// timeForm is the endpoint's form of a time, in UTC.
const timeForm = "2006-01-02T15:04:05Z"

// field is one parameter of the endpoint's table.
type field struct {
	codes []string // the values there are; nil: any text
	time  bool
}

// fields is the endpoint's table of parameters, with the two public ones of
// the platform's general pages at the end.
var fields = map[string]field{
	"app_id":         {},
	"sign":           {},
	"park_uuid":      {},
	"flow_no":        {},
	"parking_serial": {},
	"plate":          {},
	"plate_color":    {codes: []string{"1", "2", "3", "4", "5", "-1"}},
	"car_type":       {codes: []string{"1", "2", "3", "4", "0"}},
	"car_desc":       {},
	"enter_time":     {time: true},
	"leave_time":     {time: true},
	"operate_time":   {time: true},
	"operator":       {},
	"reason":         {},
	"timestamp":      {},
	"sign_type":      {codes: []string{"MD5"}},
}

// required are the names of those that must be there, in the table's order.
var required = []string{"park_uuid", "flow_no", "parking_serial", "plate"}

// badParam is the answer to a wrong parameter; the hint names it and holds no
// value.
func badParam(name, why string) answer {
	return answer{code: CodeBadParam, hint: name + ": " + why}
}

// authenticate checks app_id and signature; the zero answer means both fit.
func authenticate(p map[string]string, appID, secret string) answer {
	if appID != "" && p["app_id"] != appID {
		return answer{code: CodeUnsigned, hint: "app_id"}
	}
	plain := canonical(p)
	sum := md5.Sum([]byte(plain + "&app_secret=" + secret))
	if !strings.EqualFold(p["sign"], hex.EncodeToString(sum[:])) {
		return answer{code: CodeUnsigned, hint: plain + "&app_secret=***"}
	}
	return answer{}
}

// canonical is the string that is signed, without the secret: every parameter
// but sign that is not empty, by ascending name, raw.
func canonical(p map[string]string) string {
	names := make([]string, 0, len(p))
	size := 0
	for name, value := range p {
		if name != "sign" && value != "" {
			names = append(names, name)
			size += len(name) + len(value) + 2
		}
	}
	slices.Sort(names)
	var b strings.Builder
	b.Grow(size)
	for i, name := range names {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(p[name])
	}
	return b.String()
}

// validate checks each parameter against the endpoint's table; the zero answer
// means all are right.
func validate(p map[string]string) answer {
	for _, name := range required {
		if strings.TrimSpace(p[name]) == "" {
			return badParam(name, "required")
		}
	}
	for name, value := range p {
		f, known := fields[name]
		switch {
		case !known:
			return badParam(name, "unknown")
		case value == "":
		case f.codes != nil && !slices.Contains(f.codes, value):
			return badParam(name, "no such code")
		case f.time && !isTime(value):
			return badParam(name, "must be "+timeForm)
		case strings.ContainsRune(value, 0):
			return badParam(name, "holds U+0000")
		}
	}
	return answer{}
}

// isTime reports whether text is exactly the endpoint's form of a time that
// exists.
func isTime(text string) bool {
	t, err := time.Parse(timeForm, text)
	return err == nil && t.Format(timeForm) == text
}
