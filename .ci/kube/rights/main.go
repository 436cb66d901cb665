// Command rights tests the roles of deployments/components, KafkaUser objects, on
// a broker with the authorizer on: with all its rights a role works, without one
// of them the forwarder says so in a line that names the resource.
//
// It is started by ../rights.sh, which brings the broker.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// right is one operation on one resource.
type right struct{ kind, name, operation string }

func (r right) String() string { return fmt.Sprintf("%s on %s %s", r.operation, r.kind, r.name) }

// role is a user with its rights, as Strimzi's user operator would grant them.
type role struct {
	name   string
	rights []right
}

// implied are the operations that Kafka's authorizer takes for another one too.
var implied = map[string][]string{"Describe": {"Read", "Write", "Alter", "Delete"}, "DescribeConfigs": {"AlterConfigs"}}

// without returns the rights left when one is taken away, with those that imply it.
func (r role) without(gone right) []right {
	var left []right
	for _, one := range r.rights {
		same := one.kind == gone.kind && one.name == gone.name
		if same && (one.operation == gone.operation || slices.Contains(implied[gone.operation], one.operation)) {
			continue
		}
		left = append(left, one)
	}
	return left
}

func readRoles(files string) (roles []role, err error) {
	var text []byte
	for file := range strings.SplitSeq(files, ",") {
		more, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		text = append(append(text, "\n---\n"...), more...)
	}
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var user struct {
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
		if err := d.Decode(&user); errors.Is(err, io.EOF) {
			return roles, nil
		} else if err != nil {
			return nil, err
		}
		r := role{name: user.Metadata.Name}
		for _, acl := range user.Spec.Authorization.ACLs {
			for _, operation := range acl.Operations {
				r.rights = append(r.rights, right{acl.Resource.Type, acl.Resource.Name, operation})
			}
		}
		roles = append(roles, r)
	}
}

// addComponent adds the rights that a component's patches add to the users.
func addComponent(roles []role, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var component struct {
		Patches []struct {
			Target struct{ Kind, Name string }
			Patch  string
		}
	}
	if err := yaml.Unmarshal(text, &component); err != nil {
		return err
	}
	for _, p := range component.Patches {
		i := slices.IndexFunc(roles, func(r role) bool { return r.name == p.Target.Name })
		if p.Target.Kind != "KafkaUser" {
			continue
		}
		var added []struct {
			Value struct {
				Resource   struct{ Type, Name string }
				Operations []string
			}
		}
		if err := yaml.Unmarshal([]byte(p.Patch), &added); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if i < 0 {
			return fmt.Errorf("%s: there is no user %s", file, p.Target.Name)
		}
		for _, a := range added {
			for _, operation := range a.Value.Operations {
				roles[i].rights = append(roles[i].rights, right{a.Value.Resource.Type, a.Value.Resource.Name, operation})
			}
		}
	}
	return nil
}

func main() {
	var admin, brokers, binary, users, component string
	flag.StringVar(&admin, "admin", "", "the broker for a super user, host:port")
	flag.StringVar(&brokers, "brokers", "", "the broker by SASL without TLS, host:port")
	flag.StringVar(&binary, "binary", "", "the forwarder")
	flag.StringVar(&users, "users", "", "the roles: files of KafkaUser objects, by commas")
	flag.StringVar(&component, "component", "", "the component whose patches add rights")
	flag.Parse()
	if err := run(context.Background(), admin, brokers, binary, users, component); err != nil {
		fmt.Fprintln(os.Stderr, "rights:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, admin, brokers, binary, users, component string) error {
	roles, err := readRoles(users)
	if err == nil {
		err = addComponent(roles, component)
	}
	if err != nil {
		return err
	}
	b, err := newBroker(ctx, admin, brokers)
	if err != nil {
		return err
	}
	defer b.close()
	var failures []string
	check := func(what, said string, ok bool) {
		mark := "ok  "
		if !ok {
			mark = "FAIL"
			failures = append(failures, what)
		}
		fmt.Printf("rights: %s %-66s %s\n", mark, what, said)
	}
	for _, r := range roles {
		if err := b.makeUser(ctx, r.name); err != nil {
			return err
		}
		trial, role := b.tryPerson, strings.TrimPrefix(r.name, "release-forwarder-")
		switch role {
		case "release-forwarder":
			trial, role = b.tryService, "service"
		case "topic-admin":
			trial = func(ctx context.Context, _, user string, gone *right) (string, bool) {
				return b.tryAdmin(ctx, user, r.rights, gone)
			}
		}
		if err := b.grant(ctx, r.name, r.rights); err != nil {
			return err
		}
		said, ok := trial(ctx, binary, r.name, nil)
		check(role+" with just its rights", said, ok)
		said, ok = b.tryForeign(ctx, r.name, role)
		check(role+" and no others", said, ok)
		for _, gone := range r.rights {
			if err := b.grant(ctx, r.name, r.without(gone)); err != nil {
				return err
			}
			said, ok := trial(ctx, binary, r.name, &gone)
			check(role+" without "+gone.String(), said, ok)
		}
	}
	if len(failures) > 0 {
		return errors.New(strings.Join(failures, "; "))
	}
	return nil
}
