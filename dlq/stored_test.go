package dlq

import (
	"slices"
	"strings"
	"testing"

	"release-forwarder/consumer/fetch"
)

func TestParseID(t *testing.T) {
	for text, want := range map[string]string{
		"events.dlq/1/17":       "events.dlq/1/17",
		"1/17":                  "events.dlq/1/17",
		"0/0":                   "events.dlq/0/0",
		"17":                    "", // 3 partitions: not unique
		"other/1/17":            "",
		"3/17":                  "", // there is no partition 3
		"1/-1":                  "",
		"1/x":                   "",
		"a/b/c/d":               "",
		"":                      "",
		"1/":                    "",
		"+1/17":                 "",
		"1/9223372036854775808": "",
	} {
		got, err := ParseID(text, "events.dlq", 3)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%q: %v %v, want %q", text, got, err, want)
		}
	}
	if got, err := ParseID("17", "events.dlq", 1); err != nil || got.Short() != "0/17" {
		t.Errorf("the offset alone in one partition: %v %v", got, err)
	}
}

// whole are the headers that a replay needs.
func whole(more ...string) []string {
	return append([]string{
		HeaderPrefix + "topic", "events", HeaderPrefix + "partition", "2", HeaderPrefix + "offset", "7", HeaderPrefix + "group", "group",
		HeaderPrefix + "stage", "upstream", HeaderPrefix + "reason", "refused",
	}, more...)
}

func without(name string) []string {
	pairs := whole()
	i := slices.Index(pairs, HeaderPrefix+name)
	return slices.Delete(pairs, i, i+2)
}

func TestWhatOfALetterCannotBeReadIsToldAndItIsNotReplayed(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		problem string // "": none
	}{
		{"whole", whole(), ""},
		{"one of a later version", whole(HeaderPrefix+"colour", "blue"), ""},
		{"what a replay can do without", whole(HeaderPrefix+"timestamp", "yesterday", HeaderPrefix+"origin", "nowhere"), ""},
		{"no topic", without("topic"), "header topic is missing"},
		{"no partition", without("partition"), "header partition is missing"},
		{"no offset", without("offset"), "header offset is missing"},
		{"no group", without("group"), "header group is missing"},
		{"no stage", without("stage"), "header stage is missing"},
		{"no reason", without("reason"), "header reason is missing"},
		{"partition", append(without("partition"), HeaderPrefix+"partition", "-1"), "header partition cannot be read: it is no number"},
		{"offset", append(without("offset"), HeaderPrefix+"offset", "7.5"), "header offset cannot be read: it is no number"},
		{"redrives", whole(HeaderPrefix+"redrives", "many"), "header redrives cannot be read: it is no number"},
		{"text", append(without("reason"), HeaderPrefix+"reason", "\xff"), "header reason cannot be read: it is not UTF-8"},
		{"twice", whole(HeaderPrefix+"topic", "events"), `header "topic" is there twice`},
		{"another program's", []string{"reason", "refused"}, "this program did not write it"},
		{"none", nil, "this program did not write it"},
	} {
		s := parse("events.dlq", 0, &fetch.Record{Offset: 3, Headers: headersOf(c.headers...), Value: []byte("v")})
		if got := strings.Join(s.Problems, "; "); c.problem == "" && got != "" || !strings.Contains(got, c.problem) {
			t.Errorf("%s: problems %q, want %q", c.name, got, c.problem)
		}
		if err := s.Unfit(); (err == nil) != (c.problem == "") {
			t.Errorf("%s: fit to be replayed: %v", c.name, err)
		}
		if s.Foreign != strings.Contains(c.problem, "did not write") {
			t.Errorf("%s: foreign %t", c.name, s.Foreign)
		}
		if string(s.Value) != "v" {
			t.Errorf("%s: value %q", c.name, s.Value)
		}
	}
}
