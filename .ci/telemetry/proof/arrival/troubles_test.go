package arrival

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"proof/stage"
	"release-forwarder/cmd/testkit/platform"
)

// answers are what the platform says to records whose flow number ends with the name, with planted texts in all that is
// text: for the first attempts, then it takes them.
var answers = map[string]struct {
	attempts int
	reply    platform.Reply
}{
	"500":      {3, platform.Reply{Status: 500, Body: said("500")}},
	"400":      {1e6, platform.Reply{Status: 400, Body: said("400")}},
	"401":      {1, platform.Reply{Status: 401, Body: said("401")}},
	"429":      {1, platform.Reply{Status: 429, Body: said("429"), Header: http.Header{"Retry-After": {"1"}}}},
	"429-bad":  {1, platform.Reply{Status: 429, Body: said("429"), Header: http.Header{"Retry-After": {planted["message"]}}}},
	"302":      {3, platform.Reply{Status: 302, Body: planted["body"], Header: http.Header{"Location": {"http://127.0.0.1:1/" + planted["location"]}}}},
	"html":     {3, platform.Reply{Body: "<html>" + planted["body"]}},
	"trailing": {3, platform.Reply{Body: said("1001") + planted["body"]}},
	"huge":     {3, platform.Reply{Body: strings.Repeat(planted["body"], 20_000)}},
	"code":     {3, platform.Reply{Body: said(planted["code"])}},
	"header":   {3, platform.Reply{Status: 500, Body: "{", Header: http.Header{"Content-Type": {planted["body"]}, "Www-Authenticate": {planted["message"]}}}},
	"hang":     {1, platform.Reply{Hang: true}},
	"cut":      {3, platform.Reply{Body: planted["body"], Cut: true}},
	"lost":     {1, platform.Reply{Lose: true}},
	"poison":   {1e6, platform.Reply{Status: 500, Body: said("500")}},
}

// said is an answer of the platform with planted texts.
func said(code string) string {
	return platform.Body{
		Code: code, Message: planted["message"], Seqno: planted["seqno"], Path: planted["location"],
		Hint: planted["hint"] + " park_uuid=lot-1&plate=" + planted["plate"] + "&operator=" + planted["operator"] + "&app_secret=" + planted["secret"],
	}.String()
}

// refusedLots are refused as long as the run lasts.
var refusedLots = []string{"lot-2", planted["lot"]}

// fields are those of an event that is right, each with its planted value.
func fields(more map[string]any) map[string]any {
	all := map[string]any{
		"plate": planted["plate"], "operator": planted["operator"], "reason": planted["reason"], "car_desc": planted["car_desc"],
		"memo": map[string]any{"nested": planted["other field"]}, "enter_time": "2026-01-02T03:04:05Z", "plate_color": "blue",
	}
	for name, value := range more {
		all[name] = value
	}
	return all
}

// laden gives a record a key and headers with planted values.
func laden(r *kgo.Record) *kgo.Record {
	r.Key = []byte(planted["key"])
	for key, value := range map[string]string{
		"controller": planted["header"], "baggage": "plate=" + planted["baggage"], "tracestate": "v=" + planted["tracestate"],
		"__forwarder.errors.reason": planted["header"], "origin": planted["header"],
	} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	return r
}

// flow is a planted flow number; the platform's answer goes by its end.
func flow(name string, i int) string { return fmt.Sprintf("%s-%d-%s", planted["flow_no"], i, name) }

// planting is one laden event, in an order key of its own.
func planting(partition int32, name string, i int, more map[string]any) *kgo.Record {
	all := fields(more)
	all["parking_serial"] = fmt.Sprintf("%s-%s-%d", planted["parking_serial"], name, i)
	return laden(event(partition, flow(name, i), all))
}

// unmappable are values that cannot be mapped, by what is wrong with them.
func unmappable() map[string]string {
	begin := `{"park_uuid":"lot-1","flow_no":"` + planted["flow_no"] + `","parking_serial":"` + planted["parking_serial"] + `","plate":"` + planted["plate"] + `"`
	return map[string]string{
		"cut off":           begin,
		"not JSON":          "2026-01-02 ERROR " + planted["plate"],
		"an array":          `["` + planted["plate"] + `"]`,
		"trailing data":     begin + "}" + planted["bad value"],
		"a key twice":       begin + `,"plate":"` + planted["bad value"] + `"}`,
		"a name twice":      begin + `,"` + planted["bad value"] + `":1,"` + planted["bad value"] + `":2}`,
		"bad UTF-8":         begin + `,"operator":"` + planted["operator"] + "\xff\"}",
		"a lone surrogate":  begin + `,"operator":"` + planted["operator"] + `\ud800"}`,
		"U+0000":            begin + `,"operator":"` + planted["operator"] + `\u0000"}`,
		"no plate":          strings.Replace(begin, `"plate"`, `"memo"`, 1) + "}",
		"an object":         begin + `,"operator":{"name":"` + planted["operator"] + `"}}`,
		"a number":          begin + `,"reason":12345}`,
		"no time":           begin + `,"operate_time":"` + planted["bad value"] + `"}`,
		"a time not there":  begin + `,"operate_time":"2026-02-30 ` + planted["bad value"] + `"}`,
		"too long":          begin + `,"reason":"` + strings.Repeat(planted["reason"], 200) + `"}`,
		"a byte order mark": "\ufeff" + begin + "}",
	}
}

// script is the platform's part in the run; down is asked whether it is down altogether.
func script(down, mended func() bool) func(r *platform.Request) *platform.Reply {
	return func(r *platform.Request) *platform.Reply {
		if down() {
			return &platform.Reply{Status: 503, Body: said("503")}
		}
		for _, lot := range refusedLots {
			if r.Params["park_uuid"] == lot && !mended() {
				return &platform.Reply{Status: 403, Body: said("403")}
			}
		}
		parts := strings.SplitN(r.Params["flow_no"], "-", 3)
		if a, bad := answers[parts[len(parts)-1]]; bad && r.Attempt <= a.attempts {
			reply := a.reply
			return &reply
		}
		return nil
	}
}

// raw is a raw record.
func raw(partition int32, value string) *kgo.Record {
	return laden(&kgo.Record{Topic: stage.Topic, Partition: partition, Value: []byte(value)})
}
