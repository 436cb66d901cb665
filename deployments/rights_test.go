package deployments

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the table of rights in docs/security.md anew")

type kafkaUser struct {
	Metadata struct{ Name string }
	Spec     struct {
		Authorization struct {
			ACLs []struct {
				Resource   struct{ Type, Name string }
				Operations []string
			} `yaml:"acls"`
		}
	}
}

// TestTheTableOfRights holds docs/security.md to the users that are deployed;
// `make test-rights` holds those to a real broker.
func TestTheTableOfRights(t *testing.T) {
	const file, begin, end = "../docs/security.md", "<!-- rights:begin -->\n", "<!-- rights:end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table", file)
	}
	want := before + begin + rightsTable(t) + end + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s and components/strimzi/users.yaml have parted: make generate", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil { //nolint:gosec // a page for everybody
		t.Fatal(err)
	}
}

// TestAViewerChangesNothing: of the operations of Kafka's rights these two only read.
func TestAViewerChangesNothing(t *testing.T) {
	seen := 0
	decode(t, "components/strimzi/users.yaml", func(d *yaml.Decoder) error {
		var u kafkaUser
		if err := d.Decode(&u); err != nil {
			return err
		}
		for _, acl := range u.Spec.Authorization.ACLs {
			group := acl.Resource.Type == "group" // who reads as a group moves its offsets
			for _, operation := range acl.Operations {
				if !strings.HasSuffix(u.Metadata.Name, "-viewer") {
					continue
				}
				seen++
				if operation != "Describe" && operation != "DescribeConfigs" && (operation != "Read" || group) {
					t.Errorf("%s may %s the %s %s", u.Metadata.Name, operation, acl.Resource.Type, acl.Resource.Name)
				}
			}
		}
		return nil
	})
	if seen < 5 {
		t.Errorf("%d rights are seen", seen)
	}
}

func rightsTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| user | resource | operations |\n| --- | --- | --- |\n")
	decode(t, "components/strimzi/users.yaml", func(d *yaml.Decoder) error {
		var u kafkaUser
		if err := d.Decode(&u); err != nil {
			return err
		}
		if len(u.Spec.Authorization.ACLs) == 0 {
			return errors.New(u.Metadata.Name + " has no rights")
		}
		for _, acl := range u.Spec.Authorization.ACLs {
			fmt.Fprintf(&b, "| `%s` | %s `%s` | %s |\n", u.Metadata.Name, acl.Resource.Type, acl.Resource.Name, strings.Join(acl.Operations, ", "))
		}
		return nil
	})
	return b.String()
}
