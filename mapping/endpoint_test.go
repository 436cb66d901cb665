package mapping

import (
	"fmt"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// The endpoint that docs/how-to/map-a-lane.md shows is taken as it is written, and maps.
func TestTheEndpointOfThePageIsTaken(t *testing.T) {
	for _, page := range []string{"docs/how-to/map-a-lane.md", "docs/how-to/map-a-lane.zh.md"} {
		_, rest, _ := strings.Cut(repo.Read(t, page), "```text release.yaml\n")
		text, _, found := strings.Cut(rest, "```\n")
		if !found {
			t.Fatalf("%s: no release.yaml", page)
		}
		m := mapperBy(t, text)
		r := mustMap(t, m, []byte(`{"lot":"P1","ticket":7,"plate":"粤B12345","at":"2021-09-02T09:36:46Z","how":"远程放行"}`))
		var sent []string
		for name, value := range r.All() {
			sent = append(sent, name+"="+value)
		}
		if got, want := strings.Join(sent, "&"), "park_uuid=P1&parking_serial=7&plate=粤B12345&release_time=2021-09-02T09:36:46Z&release_type=2"; got != want || r.Lot() != "P1" {
			t.Errorf("%s: sends %s of %s, want %s", page, got, r.Lot(), want)
		}
		if key := m.OrderKey(&Record{Value: []byte(`{"lot":"P1","ticket":7}`)}); key != "P1\x007" {
			t.Errorf("%s: the order key is %q", page, key)
		}
	}
}

// As many fields as an endpoint may have are sent; one more is a mistake.
func TestManyFields(t *testing.T) {
	file := func(n int) string {
		fields, rules := "", ""
		for i := range n {
			fields += fmt.Sprintf("{name: f%d, kind: text, required: true}, ", i)
			rules += fmt.Sprintf("f%d: {from: v}, ", i)
		}
		return "endpoint: {name: a, success: 1, permanent: 2, repeat: f0, order: [f0, f1], fields: [" + fields + "]}\nprofiles: [{name: a, fields: {" + rules + "}}]\n"
	}
	for _, n := range []int{12, 13, maxFields} {
		sent := 0
		for range mustMap(t, mapperBy(t, file(n)), []byte(`{"v":"x"}`)).All() {
			sent++
		}
		if sent != n {
			t.Errorf("of %d fields %d are sent", n, sent)
		}
	}
	if _, err := Parse([]byte(file(maxFields + 1))); err == nil {
		t.Error("more fields than there may be are taken")
	}
}
