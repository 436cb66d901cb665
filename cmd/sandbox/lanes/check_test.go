package lanes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The test's own reader of events: the rules of docs/event.md, as far as the
// simulator's events need them, written independently of the simulator.

// refusal is an event that cannot be mapped; its text is the reason (docs/event.md).
type refusal string

func (r refusal) Error() string { return string(r) }

var (
	colours  = []string{"blue=1 蓝色=1 蓝=1", "yellow=2 黄色=2 黄=2", "white=3 白色=3 白=3", "black=4 黑色=4 黑=4", "green=5 绿色=5 绿=5", "unknown=-1 未知=-1"}
	carTypes = []string{
		"temporary=1 临停车辆=1 临停=1", "monthly=2 月卡车辆=2 月卡=2", "vip=3 贵宾车辆=3 贵宾车辆(免费车)=3 免费车=3",
		"stored_value=4 储值车辆=4 储值=4", "other=0 其他未知=0 其他=0",
	}
	texts = []string{"park_uuid", "flow_no", "parking_serial", "plate", "car_desc", "operator", "reason"}
	times = []string{"enter_time", "leave_time", "operate_time"}
)

// read maps an event by those rules.
func read(value []byte) (map[string]string, error) {
	members, err := object(value)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, raw := range members {
		text, err := field(name, raw)
		if err != nil {
			return nil, err
		}
		if text != "" {
			out[name] = text
		}
	}
	for _, name := range texts[:4] {
		if out[name] == "" {
			return nil, refusal("missing-field")
		}
	}
	return out, nil
}

// object reads one JSON object and nothing else, keys once each.
func object(value []byte) (map[string]json.RawMessage, error) {
	switch {
	case value == nil:
		return nil, refusal("empty")
	case !utf8.Valid(value):
		return nil, refusal("bad-text")
	case !json.Valid(value) || !bytes.HasPrefix(bytes.TrimSpace(value), []byte("{")):
		return nil, refusal("invalid-json")
	}
	members := map[string]json.RawMessage{}
	dec := json.NewDecoder(bytes.NewReader(value))
	_, _ = dec.Token() // the brace
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		if _, twice := members[name.(string)]; twice {
			return nil, refusal("duplicate-key")
		}
		members[name.(string)] = raw
	}
	_, _ = dec.Token()
	if _, err := dec.Token(); err != io.EOF {
		return nil, refusal("invalid-json")
	}
	return members, nil
}

func field(name string, raw json.RawMessage) (string, error) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	text, isText := v.(string)
	number, isNumber := v.(json.Number)
	switch known := slices.Contains(texts, name) || slices.Contains(times, name) || name == "plate_color" || name == "car_type"; {
	case !known || v == nil:
		return "", nil
	case slices.Contains(texts, name):
		if !isText {
			return "", refusal("wrong-type")
		}
		if text = strings.TrimSpace(text); utf8.RuneCountInString(text) > 1024 {
			return "", refusal("too-long")
		}
		return text, nil
	case !isText && !isNumber:
		return "", refusal("wrong-type")
	case isNumber:
		text = number.String()
	}
	text = strings.TrimSpace(text)
	switch name {
	case "plate_color":
		return lookup(colours, text, "-1"), nil
	case "car_type":
		return lookup(carTypes, text, "0"), nil
	}
	return instant(text, isText)
}

func lookup(table []string, text, otherwise string) string {
	for _, row := range table {
		for _, entry := range strings.Fields(row) {
			name, number, _ := strings.Cut(entry, "=")
			if strings.EqualFold(name, text) || number == text {
				return number
			}
		}
	}
	return otherwise
}

func instant(text string, isText bool) (string, error) {
	shanghai := time.FixedZone("", 8*3600)
	if digits := strings.Trim(text, "0123456789") == ""; digits || !isText {
		switch {
		case digits && len(text) == 13:
			ms, err := strconv.ParseInt(text, 10, 64)
			return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z"), err
		case digits && len(text) == 14:
			text = fmt.Sprintf("%s-%s-%s %s:%s:%s", text[:4], text[4:6], text[6:8], text[8:10], text[10:12], text[12:])
		default:
			return "", refusal("bad-time")
		}
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999", "2006-01-02T15:04:05.999"} {
		if t, err := time.ParseInLocation(form, text, shanghai); err == nil {
			return t.UTC().Format("2006-01-02T15:04:05Z"), nil
		}
	}
	return "", refusal("bad-time")
}
