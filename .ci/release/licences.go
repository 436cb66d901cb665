// Command licences lists the modules and licences of CycloneDX documents and
// fails on one that is unknown or not allowed.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

type document struct {
	Components []struct {
		Name, Version string
		Evidence      struct {
			Licenses []struct{ License struct{ ID string } }
		}
	}
}

// read are licences that the detector does not recognise and a person has read:
// the module's path, what its LICENSE says.
var read = map[string]string{
	"github.com/cenkalti/backoff/v5": "MIT",
	"std":                            "BSD-3-Clause", // Go's own library
}

func main() {
	allowed := strings.Split(os.Args[1], "|")
	rows := map[string]string{}
	for _, file := range os.Args[2:] {
		text, err := os.ReadFile(file)
		if err != nil {
			fatal(err)
		}
		var d document
		if err := json.Unmarshal(text, &d); err != nil {
			fatal(fmt.Errorf("%s: %w", file, err))
		}
		if len(d.Components) == 0 {
			fatal(fmt.Errorf("%s names no modules", file))
		}
		for _, c := range d.Components {
			var ids []string
			for _, l := range c.Evidence.Licenses {
				ids = append(ids, l.License.ID)
			}
			if len(ids) == 0 && read[c.Name] != "" {
				ids = []string{read[c.Name]}
			}
			slices.Sort(ids)
			rows[c.Name+" "+c.Version] = strings.Join(slices.Compact(ids), " and ")
		}
	}
	bad, count := 0, map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		found := rows[name]
		count[found]++
		mark := ""
		if found == "" || slices.ContainsFunc(strings.Split(found, " and "), func(id string) bool { return !slices.Contains(allowed, id) }) {
			mark = "   NOT ALLOWED"
			bad++
		}
		fmt.Printf("%-90s %s%s\n", name, found, mark)
	}
	fmt.Printf("%d modules: %v\n", len(rows), count)
	if bad > 0 {
		fatal(fmt.Errorf("%d modules have a licence that is unknown or not among %s", bad, strings.Join(allowed, ", ")))
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "licences:", err)
	os.Exit(1)
}
