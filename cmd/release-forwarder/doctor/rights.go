package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/settings"
)

// Operations of Kafka's access control, as KIP-430 counts them: each is a bit.
const (
	operationRead   = 3
	operationWrite  = 4
	operationCreate = 5
)

func bit(operation int) int32 { return 1 << operation }

var operations = map[int]string{
	3: "Read", 4: "Write", 5: "Create", 6: "Delete", 7: "Alter", 8: "Describe", 10: "DescribeConfigs", 11: "AlterConfigs",
}

// held lists the operations of a set.
func held(authorized int32) string {
	var names []string
	for o := operationRead; o <= 11; o++ {
		if name := operations[o]; name != "" && authorized&bit(o) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// topicRights judges what this user may do with the topic.
func (p *doctor) topicRights(t *topic) Report {
	f := &findings{area: Rights, subject: "topic " + t.name}
	need, name := operationRead, "Read"
	if t.written() {
		need, name = operationWrite, "Write"
	}
	check, remedy := strings.ToLower(name), p.grant(name, "--topic "+t.name)
	code, refused := t.err.(kafka.Error) //nolint:errorlint // refusal returns it as it is
	switch {
	case refused && code == kafka.TopicAuthorizationFailed:
		v := Wrong
		if t.role == replay {
			v = Warning // the events flow without it
		}
		f.add(check, v, "missing: this user may not even describe the topic, if there is one", remedy)
	case t.err != nil:
		f.unknown(check, "there is no topic to hold it on", "")
	default:
		judgeOperation(f, check, t.authorized, need, remedy)
	}
	return f.list
}

func judgeOperation(f *findings, check string, authorized int32, need int, remedy string) {
	switch {
	case authorized == unsaid:
		f.unknown(check, "the broker does not report what is allowed (it is older than Kafka 2.3)", "")
	case authorized&bit(need) == 0:
		f.wrong(check, "missing; held: "+held(authorized), remedy)
	default:
		f.ok(check, "held: %s", held(authorized))
	}
}

// grant is the remedy for a missing right.
func (p *doctor) grant(name, resource string) string {
	user := cmp.Or(p.settings.Kafka.SASL.Username, "THIS-USER")
	if p.settings.Kafka.SASL.Mechanism == settings.OAuthBearer {
		user = "SUBJECT-OF-THE-TOKEN" // a broker may be set to take another claim
	}
	return fmt.Sprintf("grant it: kafka-acls.sh --add --allow-principal User:%s --operation %s %s", user, name, resource)
}
