package wire

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kversion"
)

var update = flag.Bool("update", false, "write docs/reference/kafka-versions.md anew")

// releases are those in the page's table.
var releases = []struct {
	name     string
	versions *kversion.Versions
}{
	{"2.3", kversion.V2_3_0()},
	{"2.4", kversion.V2_4_0()},
	{"2.5", kversion.V2_5_0()},
	{"2.6", kversion.V2_6_0()},
	{"2.7", kversion.V2_7_0()},
	{"2.8", kversion.V2_8_0()},
	{"3.0", kversion.V3_0_0()},
	{"3.1", kversion.V3_1_0()},
	{"3.5", kversion.V3_5_0()},
	{"3.9", kversion.V3_9_0()},
	{"4.0", kversion.V4_0_0()},
	{"4.1", kversion.V4_1_0()},
	{"4.2", kversion.V4_2_0()},
	{"4.3", kversion.V4_3_0()},
}

// The page's table agrees with the versions of each release in another client's table.
func TestTheVersionsPage(t *testing.T) {
	const page, begin, end = "../../docs/reference/kafka-versions.md", "<!-- table -->\n", "<!-- /table -->"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("the page has no place for the table")
	}
	want := before + begin + versionsTable() + end + after
	if *update {
		err = os.WriteFile(page, []byte(want), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !*update && want != string(b) {
		t.Errorf("%s is not what the versions say; run this test with -update", page)
	}
}

func versionsTable() string {
	var table strings.Builder
	table.WriteString("\n| Apache Kafka | leader epochs | divergence reported by Fetch | topic IDs | fetch by ID | commits by ID |\n| --- | --- | --- | --- | --- | --- |\n")
	var rows []Tells
	var names [][]string
	for _, r := range releases {
		tells := TellsBy(func(key int16) int16 {
			if v, has := r.versions.LookupMaxKeyVersion(key); has {
				return v
			}
			return -1
		})
		if n := len(rows); n > 0 && rows[n-1] == tells {
			names[n-1] = append(names[n-1], r.name)
			continue
		}
		rows, names = append(rows, tells), append(names, []string{r.name})
	}
	for i, row := range rows {
		name := names[i][0]
		switch {
		case i == len(rows)-1:
			name += " and later"
		case len(names[i]) > 1:
			name += " to " + names[i][len(names[i])-1]
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n", name, yes(row.Epochs), yes(row.Diverging), yes(row.IDs), yes(row.FetchByID), yes(row.CommitByID))
	}
	table.WriteString("\n")
	return table.String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
