package deployments

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"

	"go.yaml.in/yaml/v3"
)

type kafkaUser struct {
	Metadata struct{ Name string }
	Spec     struct {
		Authorization struct {
			ACLs []acl `yaml:"acls"`
		}
	}
}

type acl struct {
	Resource   struct{ Type, Name string }
	Operations []string
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
	for _, u := range kafkaUsers(t) {
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
	}
	if seen < 8 {
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
	addReceipts(t, users)
	return users
}

const receiptsTopic = "abnormal-release.receipts"

// addReceipts gives the users the rights that the component receipts adds by its patches.
func addReceipts(t *testing.T, users []kafkaUser) {
	t.Helper()
	var component struct {
		Patches []struct {
			Target struct{ Kind, Name string }
			Patch  string
		}
	}
	decode(t, "components/receipts/kustomization.yaml", func(d *yaml.Decoder) error { return d.Decode(&component) })
	for _, p := range component.Patches {
		if p.Target.Kind != "KafkaUser" {
			continue
		}
		var added []struct {
			Op, Path string
			Value    acl
		}
		if err := yaml.Unmarshal([]byte(p.Patch), &added); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(users, func(u kafkaUser) bool { return u.Metadata.Name == p.Target.Name })
		if i < 0 || len(added) != 1 || added[0].Op != "add" || added[0].Path != "/spec/authorization/acls/-" || added[0].Value.Resource.Name != receiptsTopic {
			t.Fatalf("a patch of %s that is not one more right on %s: %s", p.Target.Name, receiptsTopic, p.Patch)
		}
		users[i].Spec.Authorization.ACLs = append(users[i].Spec.Authorization.ACLs, added[0].Value)
	}
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
				rows[resource] = "| " + acl.Resource.Type + " `" + acl.Resource.Name + "`" + onlyWith(acl.Resource.Name, ", with RECEIPTS_TOPIC") + " |"
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

// TestTheNightPageGivesTheReceiptsRightsBack: its commands add just what the component receipts adds to the users that
// users.yaml makes.
func TestTheNightPageGivesTheReceiptsRightsBack(t *testing.T) {
	for _, page := range []string{"docs/how-to/night/topics-and-rights.md", "docs/how-to/night/topics-and-rights.zh.md"} {
		given := map[string]acl{}
		for _, m := range regexp.MustCompile(`patch kafkauser (\S+) --type json -p \\\n  '(.*)'`).FindAllStringSubmatch(repo.Read(t, page), -1) {
			var added []struct{ Value acl }
			if err := yaml.Unmarshal([]byte(m[2]), &added); err != nil || len(added) != 1 {
				t.Fatalf("%s: %v: %s", page, err, m[2])
			}
			given[m[1]] = added[0].Value
		}
		for _, u := range kafkaUsers(t) {
			want := u.on("topic " + receiptsTopic)
			if strings.HasSuffix(u.Metadata.Name, "-topic-admin") { // of another file, which the page does not apply
				want = nil
			}
			if got := given[u.Metadata.Name]; !slices.Equal(got.Operations, want) || want != nil && got.Resource.Name != receiptsTopic {
				t.Errorf("%s: %s gets %v on %q, the component gives %v", page, u.Metadata.Name, got.Operations, got.Resource.Name, want)
			}
		}
		if len(given) != 3 {
			t.Errorf("%s: %d patches", page, len(given))
		}
	}
}

// onlyWith is what is said of rights on the receipts' topic: not everybody has one.
func onlyWith(topic, said string) string {
	if topic == receiptsTopic {
		return said
	}
	return ""
}

// byVariable is the name of a topic or group as the page's first commands set it.
func byVariable(kind, name string) string {
	if kind == "group" {
		return strings.Replace(name, "release-forwarder", "$GROUP", 1)
	}
	return strings.Replace(name, "abnormal-release", "$TOPIC", 1)
}

// grantingCommands has a section for each user, with a line for each of its resources.
func grantingCommands(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, u := range kafkaUsers(t) {
		fmt.Fprintf(&b, "\n### %s\n\n```sh\n", u.Metadata.Name)
		for _, acl := range u.Spec.Authorization.ACLs {
			b.WriteString(onlyWith(acl.Resource.Name, "# with RECEIPTS_TOPIC:\n"))
			fmt.Fprintf(&b, "kafka-acls.sh --bootstrap-server \"$BOOTSTRAP\" --command-config \"$CONFIG\" --add \\\n  --allow-principal User:%s --%s \"%s\"",
				u.Metadata.Name, acl.Resource.Type, byVariable(acl.Resource.Type, acl.Resource.Name))
			for _, operation := range acl.Operations {
				b.WriteString(" --operation " + operation)
			}
			b.WriteString("\n")
		}
		b.WriteString("```\n")
	}
	return b.String() + "\n"
}
