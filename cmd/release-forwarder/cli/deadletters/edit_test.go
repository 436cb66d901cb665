package deadletters

import (
	"errors"
	"strings"
	"testing"
	"time"

	"release-forwarder/dlq"
	"release-forwarder/mapping"
)

// A text is set at a path, and all other bytes stay.
func TestATextIsSetAtItsPathAndAllElseStays(t *testing.T) {
	for _, c := range []struct{ path, value, want string }{
		{"plate", `{"plate":"a","x":[1, 2],"reason":"r"}`, `{"plate":"b","x":[1, 2],"reason":"r"}`},
		{"plate", ` { "reason" : 1.50 , "plate":null} `, ` { "reason" : 1.50 , "plate":"b"} `},
		{"plate", "{ \"reason\" : 1.50 \n}", "{ \"reason\" : 1.50,\"plate\":\"b\" \n}"},
		{"plate", `{}`, `{"plate":"b"}`},
		{"plate", `{"plate":"a", "plate":"c" ,"operator":1}`, `{"plate":"b" ,"operator":1}`},
		{"plate", `{"pl\u0061te":"\u0062","x":"\u0062"}`, `{"pl\u0061te":"\u0062","x":"\u0062"}`}, // it stands there already
		{"plate", `{"plate":"` + "\xff" + `","x":"` + "\xff" + `"}`, `{"plate":"b","x":"` + "\xff" + `"}`},
		{"a.b.c", `{"x":1}`, `{"x":1,"a":{"b":{"c":"b"}}}`},
		{"a.b.c", `{"a": null}`, `{"a": {"b":{"c":"b"}}}`},
		{"a.b.c", `{"a": {"b" : {"d": 1} , "e":2}}`, `{"a": {"b" : {"d": 1,"c":"b"} , "e":2}}`},
		{"a.1.c", `{"a": [ {"c":1}, {"c":2 } ]}`, `{"a": [ {"c":1}, {"c":"b" } ]}`},
		{"a.0", `{"a":[1,2]}`, `{"a":["b",2]}`},
		{"0.c", `{"x":1}`, `{"x":1,"0":{"c":"b"}}`},
		{"a.b", `{"a": "{\"b\": 1, \"x\":\"粤\"}" }`, `{"a": "{\"b\": \"b\", \"x\":\"粤\"}" }`},
		{"a.2", `{"a":[1,2]}`, "there is no element 2 in the list"},
		{"a.02", `{"a":[1,2,3]}`, "there is no element 02 in the list"},
		{"a.0.c", `{"x":1}`, "there is no list for the element 0"},
		{"a.0.c", `{"a":null}`, "there is no list for the element 0"},
		{"a.b", `{"a":1}`, "at a is neither an object nor a list"},
		{"a.b", `{"a":"text"}`, "at a is neither an object nor a list"},
		{"a.b.c", `{"a":"{\"b\":\"{}\"}"}`, "at b is neither an object nor a list"}, // the second string is not read
		{"plate", `[]`, "not one JSON object"},
		{"plate", `{"plate":"a"`, "not one JSON object"},
		{"plate", ``, "not one JSON object"},
	} {
		setter := textSetter{text: "b"}
		got, err := setter.object([]byte(c.value), strings.Split(c.path, "."))
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && string(got) != c.want {
			t.Errorf("%s in %s: %s %v, want %s", c.path, c.value, got, err, c.want)
		}
	}
}

// A number stays a number where one counts and the text is one.
func TestANumberStaysANumberWhereOneCounts(t *testing.T) {
	for _, c := range []struct {
		text    string
		numbers bool
		want    string
	}{
		{"12", true, `{"a":12}`}, {"12", false, `{"a":"12"}`}, {"012", true, `{"a":"012"}`}, {"12 ", true, `{"a":12}`}, {"x", true, `{"a":"x"}`},
	} {
		setter := textSetter{text: c.text, numbers: c.numbers}
		if got, err := setter.object([]byte(`{"a":11}`), []string{"a"}); err != nil || string(got) != c.want {
			t.Errorf("%+v: %s %v", c, got, err)
		}
	}
}

const settable = `
profiles:
  - name: other
    when: {value: {$.type: other}}
    event: body
    prefix: confluent
    fields:
      park_uuid: {from: lot}
      flow_no: {from: id, digits: true}
      parking_serial: {from: id, digits: true}
      plate: {from: car.no}
      car_type: {from: $.type, codes: {other: 3}}
  - name: ignored
    when: {topic: ignored}
    ignore: true
  - name: vendor
    when: {topic: lanes}
    event: body
    prefix: confluent
    fields:
      park_uuid:      {from: lot, codes: {A: lot-1, B: lot-2, lot-1: lot-1}}
      flow_no:        {join: [id, op], digits: true}
      parking_serial: {from: [ticket.no, id], digits: true}
      plate:          {from: [car.no, plate]}
      plate_color:    {from: cars.0.color, codes: {蓝牌: 1, 黄牌: 2}}
      car_type:       {from: $.type, codes: {release: 1, odd: 2, other: 3}}
      enter_time:     {from: in, time: unix-seconds}
      leave_time:     {from: ts, time: unix-seconds}
      operate_time:   {from: ts, time: unix-seconds}
      operator:       {from: [header:operator, who]}
      reason:         {const: 无人值守}
      car_desc:       {from: header:desc}
`

const lookedUp = `
profiles:
  - name: looked-up
    fields:
      park_uuid:      {from: lot, lookup: lots.csv}
      flow_no:        {from: flow}
      parking_serial: {from: serial}
      plate:          {from: plate}
`

// A lot that is looked up is set in its file.
func TestALotThatIsLookedUpIsNotSet(t *testing.T) {
	file, err := mapping.Parse([]byte(lookedUp))
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := mapping.New(mapping.Config{Location: time.UTC, File: file})
	if err != nil {
		t.Fatal(err)
	}
	m, err := newEditor([]string{"park_uuid=x"}, mapper, false)
	if err != nil {
		t.Fatal(err)
	}
	const want = "park_uuid: the profile looked-up makes it by lookup; change the file that it is looked up in"
	if _, err := m.change(deadLetterOf(`{"lot":"a","flow":"f","serial":"s","plate":"p"}`)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

const settableValue = "\x00\x00\x00\x00\x07" + `{"type":"release", "body": "{\"lot\":\"A\",\"id\":5, \"op\":2,\"car\":{\"no\":\"粤A\"},\"cars\":[{}],\"in\":1630575366,\"ts\":1630575367}"}`

// editOf changes a dead letter of the lanes' topic by the file settable.
func editOf(t *testing.T, value string, set ...string) (string, *editor, error) {
	t.Helper()
	file, err := mapping.Parse([]byte(settable))
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := mapping.New(mapping.Config{Location: time.UTC, File: file})
	if err != nil {
		t.Fatal(err)
	}
	m, err := newEditor(set, mapper, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.change(deadLetterOf(value))
	return string(got), m, err
}

func deadLetterOf(value string) *dlq.Stored {
	s := &dlq.Stored{Origin: "lanes/0/1"}
	s.Topic, s.Value = "replays", []byte(value)
	return s
}

// With a mapping file a field is set where its first path leads: within a string of JSON, behind Confluent's prefix,
// beside the event. What is shown of it is what is sent.
func TestAFieldIsSetWhereTheMappingFileLooksFirst(t *testing.T) {
	for _, c := range []struct{ set, from, to, shown string }{
		{"enter_time=1630575300", `1630575366`, `1630575300`, "enter_time: 2021-09-02T09:36:06Z -> 2021-09-02T09:35:00Z"},
		{"plate_color=黄牌", `[{}]`, `[{\"color\":\"黄牌\"}]`, "plate_color: (nothing) -> 2"},
		{"plate=粤B12345", `粤A`, `粤B12345`, "plate: 粤… (2) -> 粤… (7)"},
		{"car_type=odd", `"type":"release"`, `"type":"odd"`, "car_type: 1 -> 2"},
		{"operator=张三", `1630575367}`, `1630575367,\"who\":\"张三\"}`, "operator: (nothing) -> 张… (2)"},
	} {
		got, m, err := editOf(t, settableValue, c.set)
		if want := strings.Replace(settableValue, c.from, c.to, 1); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.set, err, got, want)
		} else if shown := m.difference(deadLetterOf(settableValue), []byte(got)); shown != c.shown {
			t.Errorf("%s is shown as %s, want %s", c.set, shown, c.shown)
		}
	}
	// Two fields of one place are set together.
	got, _, err := editOf(t, settableValue, "leave_time=1630575400", "operate_time=1630575400")
	if want := strings.Replace(settableValue, "1630575367", "1630575400", 1); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	if got, _, err := editOf(t, settableValue, "plate=粤A"); err != nil || got != settableValue {
		t.Errorf("what stands there already: %v %s", err, got)
	}
}

// What cannot be set, or would change more than was asked for, is refused with its cause and what to do.
func TestWhatCannotBeSetIsRefused(t *testing.T) {
	const vendor = "the profile vendor makes it by "
	for _, c := range []struct{ value, set, want string }{
		{"", "reason=x", "reason: " + vendor + "const; change MAPPING_FILE"},
		{"", "flow_no=5-3", "flow_no: " + vendor + "join; have the lane send it right"},
		{"", "car_desc=x", "car_desc: " + vendor + "header:desc; have the lane"},
		{strings.Replace(settableValue, "release", "other", 1), "reason=x", "reason: the profile other does not have it; change MAPPING_FILE"},
		{"", "park_uuid=B", "park_uuid and parking_serial keep the order of a parking's events, and stay as they are; have the lane"},
		{"", "parking_serial=6", "park_uuid and parking_serial keep the order"}, // ticket.no is set, id was there
		{"", "leave_time=1630575400", "operate_time would change too: it comes from the same place; set it as well"},
		{"", "car_type=other", "park_uuid and parking_serial keep the order"}, // of another profile
		{strings.Replace(settableValue, `\"A\"`, `\"lot-1\"`, 1), "car_type=other", "with them the profile other would fit, no longer vendor; have the lane"},
		{"", "plate_color=white", "with them it could not be sent either: unknown-code: plate_color"},
		{`{"type":"release"}`, "plate=x", "invalid-json"}, // no prefix
		{"\x00\x00\x00\x00\x07" + `{"body":{"lot":"A","id":5,"op":2,"car":[],"plate":"p"}}`, "plate=x", "plate: car.no: there is no element no in the list, and none is added; have the lane"},
		{"\x00\x00\x00\x00\x07" + `{"body":{"lot":"A","id":5,"op":2,"car":{"no":"a"}}}`, "plate_color=黄牌", "plate_color: cars.0.color: there is no list for the element 0, and none is added"},
		{"\x00\x00\x00\x00\x07" + `{"body":{"lot":"A","id":5,"op":2,"car":{"no":"a"},"plate":"p"}}`, "plate= ", "plate: its first path does not count, or another field is set there"},
	} {
		value := c.value
		if value == "" {
			value = settableValue
		}
		got, _, err := editOf(t, value, c.set)
		if !errors.Is(err, errUneditable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s %v, want %s", c.set, got, err, c.want)
		}
	}
	if got, _, err := editOf(t, settableValue, "leave_time=1630575400", "operate_time=1630575401"); err == nil || !strings.Contains(err.Error(), "leave_time: its first path does not count, or another field is set there") {
		t.Errorf("two texts at one place: %s %v", got, err)
	}
	replayed := deadLetterOf(settableValue)
	_, m, _ := editOf(t, settableValue, "car_type=odd")
	replayed.Origin = "ignored/0/1"
	if _, err := m.change(replayed); err == nil || !strings.Contains(err.Error(), "ignored by the profile ignored") {
		t.Errorf("by the topic of its origin: %v", err)
	}
	replayed.Origin = "elsewhere/0/1"
	if _, err := m.change(replayed); err == nil || !strings.Contains(err.Error(), "no-profile: no profile of the mapping file fits") {
		t.Errorf("no profile: %v", err)
	}
}

// The built-in contract's fields of the order key are set only where there was no order key.
func TestAnOrderKeyIsSetOnlyWhereThereWasNone(t *testing.T) {
	mapper, err := mapping.New(mapping.Config{Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	m, err := newEditor([]string{"parking_serial=S2"}, mapper, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ value, want, says string }{
		{`{"park_uuid":"l","flow_no":"f","plate":"p"}`, `{"park_uuid":"l","flow_no":"f","plate":"p","parking_serial":"S2"}`, ""},
		{`{"park_uuid":"l","flow_no":"f","plate":"p","parking_serial":2}`, `{"park_uuid":"l","flow_no":"f","plate":"p","parking_serial":"S2"}`, ""},
		{`{"park_uuid":"l","flow_no":"f","plate":"p","parking_serial":"S1"}`, "", "park_uuid and parking_serial keep the order"},
	} {
		got, err := m.change(deadLetterOf(c.value))
		if string(got) != c.want || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %s %v", c.value, got, err)
		}
	}
}
