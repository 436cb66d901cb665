package scenario

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/cmd/testkit/platform"
)

const otherEndpoint = `
profiles:
  - name: gates
    fields:
      site:    {from: site}
      passage: {from: id, digits: true}
      driver:  {from: driver}
      opened:  {from: at, time: unix-seconds}
      how:     {from: how}
endpoint:
  name: opening
  success: ["0"]
  permanent: ["4001"]
  repeat: passage
  order: [site, passage]
  fields:
    - {name: site, kind: text, required: true}
    - {name: passage, kind: text, required: true}
    - {name: driver, kind: text, personal: true}
    - {name: opened, kind: time}
    - {name: how, kind: code, codes: {1: [manual, 人工], 2: [remote]}}
`

func openingEvent(id int, how string) string {
	return fmt.Sprintf(`{"site":"lot-1","id":%d,"driver":"张PLANTED","at":1630579006,"how":%q}`, id, how)
}

// signedWell reports whether a request is signed by the platform's rule, whatever its parameters are.
func signedWell(params map[string]string) bool {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "sign" {
			parts = append(parts, name+"="+params[name])
		}
	}
	sum := md5.Sum([]byte(strings.Join(append(parts, "app_secret="+apptest.Secret), "&")))
	return strings.EqualFold(params["sign"], hex.EncodeToString(sum[:]))
}

// Another endpoint's fields are sent and signed; its codes decide, the built-in ones no more; its order key keeps the
// order; and the commands know its fields, and which are personal.
func TestAnotherEndpointIsServed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mapping.yaml")
	if err := os.WriteFile(file, []byte(otherEndpoint), 0o600); err != nil {
		t.Fatal(err)
	}
	inVirtualTime(t, 1, func(w *world) {
		var got []string
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			code := "0"
			switch {
			case !signedWell(r.Params):
				code = "401"
			case r.Params["passage"] == "8":
				code = "4001"
			case len(got) == 0:
				code = "1001" // no success here
			}
			got = append(got, strings.Join([]string{r.Params["passage"], r.Params["how"], r.Params["opened"], code}, " "))
			return &platform.Reply{Body: platform.Body{Code: code, Message: "m", Seqno: "s"}.String()}
		})
		r := w.Start("MAPPING_FILE", file, "UPSTREAM_RETRY_MAX", "0", "UPSTREAM_MAX_IN_FLIGHT", "1")
		w.Produce(0, openingEvent(7, "人工"), openingEvent(7, "remote"), openingEvent(8, "1"), openingEvent(9, "3"))
		w.Until("the commit", func() bool { return w.Committed(0) == 4 })
		const at = "2021-09-02T10:36:46Z"
		want := []string{"7 1 " + at + " 1001", "8 1 " + at + " 4001", "7 1 " + at + " 0", "7 2 " + at + " 0"}
		if !slices.Equal(got, want) {
			t.Errorf("the platform got %q, want %q", got, want)
		}
		for series, want := range map[string]string{
			`release_forwarder_records_accepted_total`:                                    "2",
			`release_forwarder_dead_letters_total{reason="refused",stage="upstream"}`:     "1",
			`release_forwarder_dead_letters_total{reason="unknown-code",stage="mapping"}`: "1",
		} {
			if got := r.Sample(series); got != want {
				t.Errorf("%s %s, want %s", series, got, want)
			}
		}
		if got := w.outcomes(find.Command{Flow: []string{"8"}, Lot: []string{"lot-1"}}); len(got) != 1 {
			t.Errorf("find says %v", got)
		}
		for _, id := range []string{"0/0", "0/1"} {
			shown, said, err := w.Command(&deadletters.ShowCommand{ID: id})
			if err != nil || !strings.Contains(shown, "lot-1") || strings.Contains(shown, "PLANTED") || !strings.Contains(shown, "driver") {
				t.Errorf("%s: %v: %s %s", id, err, shown, said)
			}
		}
		w.End(r)
	})
}
