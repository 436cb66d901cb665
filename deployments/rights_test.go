package deployments

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"

	"go.yaml.in/yaml/v3"
)

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

// TestTheTableOfRights holds docs/explanation/security.md to the users that are deployed;
// `make test-rights` holds those to a real broker.
func TestTheTableOfRights(t *testing.T) {
	repo.Generated(t, "docs/explanation/security.md", "<!-- rights:begin -->\n", "<!-- rights:end -->", rightsTable(t), *repo.Update)
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
