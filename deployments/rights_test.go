package deployments

import (
	"cmp"
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

const rightsPage = "docs/reference/rights.md"

// TestTheTableOfRights holds the table of docs/reference/rights.md to the users that are deployed;
// `make test-rights` holds those to a real broker.
func TestTheTableOfRights(t *testing.T) {
	repo.Generated(t, rightsPage, "<!-- rights:begin -->\n", "<!-- rights:end -->", rightsTable(t), *repo.Update)
}

// TestTheCommandsThatGrant holds the commands of the page to the same users.
func TestTheCommandsThatGrant(t *testing.T) {
	repo.Generated(t, rightsPage, "<!-- commands:begin -->\n", "<!-- commands:end -->", grantingCommands(t), *repo.Update)
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

// kafkaUsers are the users that are deployed, in their order.
func kafkaUsers(t *testing.T) (users []kafkaUser) {
	t.Helper()
	for _, file := range []string{"components/strimzi/users.yaml", "components/topic-admin/user.yaml"} {
		decode(t, file, func(d *yaml.Decoder) error {
			var u kafkaUser
			if err := d.Decode(&u); err != nil {
				return err
			}
			if len(u.Spec.Authorization.ACLs) == 0 {
				return errors.New(u.Metadata.Name + " has no rights")
			}
			users = append(users, u)
			return nil
		})
	}
	return users
}

// on has the operations that the user may do on a resource, "topic NAME" or "group NAME".
func (u kafkaUser) on(resource string) []string {
	for _, acl := range u.Spec.Authorization.ACLs {
		if acl.Resource.Type+" "+acl.Resource.Name == resource {
			return acl.Operations
		}
	}
	return nil
}

// rightsTable has a row for each resource and a column for each user.
func rightsTable(t *testing.T) string {
	t.Helper()
	users := kafkaUsers(t)
	header, rule := "| resource |", "| --- |"
	rows := map[string]string{}
	var resources []string
	for _, u := range users {
		header, rule = header+" `"+u.Metadata.Name+"` |", rule+" --- |"
		for _, acl := range u.Spec.Authorization.ACLs {
			resource := acl.Resource.Type + " " + acl.Resource.Name
			if rows[resource] == "" {
				resources = append(resources, resource)
				rows[resource] = "| " + acl.Resource.Type + " `" + acl.Resource.Name + "` |"
			}
		}
	}
	var b strings.Builder
	b.WriteString(header + "\n" + rule + "\n")
	for _, resource := range resources {
		b.WriteString(rows[resource])
		for _, u := range users {
			b.WriteString(" " + cmp.Or(strings.Join(u.on(resource), ", "), "none") + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// grantingCommands has a section for each user, with a line for each of its resources.
func grantingCommands(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, u := range kafkaUsers(t) {
		fmt.Fprintf(&b, "\n### %s\n\n```sh\n", u.Metadata.Name)
		for _, acl := range u.Spec.Authorization.ACLs {
			fmt.Fprintf(&b, "kafka-acls.sh --bootstrap-server kafka-1:9092 --command-config admin.properties --add \\\n  --allow-principal User:%s --%s %s",
				u.Metadata.Name, acl.Resource.Type, acl.Resource.Name)
			for _, operation := range acl.Operations {
				b.WriteString(" --operation " + operation)
			}
			b.WriteString("\n")
		}
		b.WriteString("```\n")
	}
	return b.String() + "\n"
}
