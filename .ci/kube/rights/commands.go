package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// commandTime bounds one command.
const commandTime = 60 * time.Second

// commands are what a person's role is for, with the forwarder's own binary. The
// dead letter 0/0 is there, and so are events of lot p: the service's trial comes
// first.
func commands(role string) [][]string {
	list := [][]string{
		{"dlq", "list"}, {"dlq", "show", "0/0"}, {"dlq", "export"}, {"dlq", "stats", "--check"}, {"offsets"}, {"offsets", "--topic", replays}, {"find", "--lot", "p"},
		{"check", "--from-topic", "--against", "built-in"},
	}
	if strings.HasSuffix(role, "replayer") {
		list = append(list, []string{"dlq", "replay", "--id", "0/0", "--again"}, []string{"dlq", "close", "0/0", "--why", "test"})
	}
	return list
}

// foreign are the operations that no command of this version needs but the role
// has, and those that it must not have. They are tried by a client that is not
// the forwarder's.
var foreign = []struct {
	right right
	roles string // those that may
}{
	{right{"topic", events, "Read"}, "service viewer replayer topic-admin"},
	{right{"topic", events, "Write"}, ""},
	{right{"topic", replays, "Read"}, "service viewer replayer topic-admin"},
	{right{"topic", replays, "Write"}, "replayer"},
	{right{"topic", deadLetters, "Read"}, "viewer replayer"},
	{right{"topic", deadLetters, "Write"}, "service"},
	{right{"topic", ledger, "Read"}, "viewer replayer"},
	{right{"topic", ledger, "Write"}, "replayer"},
	{right{"topic", receipts, "Read"}, "viewer replayer"},
	{right{"topic", receipts, "Write"}, "service"},
	{right{"topic", receipts, "AlterConfigs"}, "topic-admin"},
	{right{"topic", receipts, "Alter"}, ""},
	{right{"topic", receipts, "Delete"}, ""},
	{right{"group", group, "Read"}, "service topic-admin"},
	{right{"topic", events, "AlterConfigs"}, "topic-admin"},
	{right{"topic", deadLetters, "AlterConfigs"}, "topic-admin"},
	{right{"topic", ledger, "Alter"}, ""},
	{right{"topic", events, "Delete"}, ""},
	{right{"topic", deadLetters, "Delete"}, ""},
	{right{"group", group, "Delete"}, "topic-admin"},
}

// tryPerson runs the role's commands: with all rights each succeeds, without one
// at least one fails and names the resource. What no command needs is tried as
// such.
func (b *broker) tryPerson(ctx context.Context, binary, user string, gone *right) (said string, ok bool) {
	for _, args := range commands(user) {
		out, err := b.command(ctx, binary, user, args)
		switch line := lineAbout(out, gone); {
		case gone == nil && err != nil:
			return fmt.Sprintf("%s: %v: %s", strings.Join(args, " "), err, out), false
		case gone != nil && err != nil && line != "":
			return strings.Join(args, " ") + ": " + line, true
		case gone != nil && err != nil:
			return fmt.Sprintf("%s: %v, and no line names it: %s", strings.Join(args, " "), err, out), false
		}
	}
	if gone == nil {
		return fmt.Sprintf("%d commands succeed", len(commands(user))), true
	}
	if err := b.try(ctx, user, *gone); err != nil {
		return "no command asks; Kafka says: " + firstLine(err.Error()), true
	}
	return "nothing asks for it", false
}

// command runs the forwarder's binary under the user's rights.
func (b *broker) command(ctx context.Context, binary, user string, args []string) (out string, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = b.environment(user)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err = cmd.Run()
	return text.String(), err
}

// environment is what every command is given.
func (b *broker) environment(user string) []string {
	return []string{
		"KAFKA_BROKERS=" + b.sasl, "KAFKA_TOPIC=" + events, "KAFKA_REPLAY_TOPIC=" + replays, "KAFKA_GROUP_ID=" + group,
		"KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USERNAME=" + user, "KAFKA_SASL_PASSWORD=" + password,
		"RECEIPTS_TOPIC=" + receipts, "RECEIPTS_KEY_FILE=" + b.key,
	}
}

// tryForeign sees that a role can do what it may, by another client, and that it
// is refused everything else.
func (b *broker) tryForeign(ctx context.Context, user, role string) (said string, ok bool) {
	may, refused := 0, 0
	var wrong []string
	for _, f := range foreign {
		err := b.try(ctx, user, f.right)
		switch allowed := strings.Contains(f.roles, role); {
		case allowed && err != nil:
			wrong = append(wrong, fmt.Sprintf("%s is refused: %v", f.right, err))
		case !allowed && err == nil:
			wrong = append(wrong, f.right.String()+" is possible")
		case allowed:
			may++
		default:
			refused++
		}
	}
	if len(wrong) > 0 {
		return strings.Join(wrong, "; "), false
	}
	return fmt.Sprintf("%d operations are possible, %d are refused", may, refused), true
}
