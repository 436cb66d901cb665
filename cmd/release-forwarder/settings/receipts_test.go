package settings

import (
	"strings"
	"testing"
)

func TestReceipts(t *testing.T) {
	key := strings.Repeat("k", 32)
	good := file(t, key+"\n\n"+strings.Repeat("o", 40)+"\n")
	for _, c := range []struct {
		name string
		set  []string
		want string // "": right
	}{
		{"none", nil, ""},
		{"with two keys", []string{"RECEIPTS_TOPIC", "receipts", "RECEIPTS_KEY_FILE", good, "RECEIPTS_REQUIRED", "true"}, ""},
		{"no key file", []string{"RECEIPTS_TOPIC", "receipts"}, "RECEIPTS_KEY_FILE: is required with RECEIPTS_TOPIC; set it"},
		{"a key file alone", []string{"RECEIPTS_KEY_FILE", good}, "RECEIPTS_KEY_FILE: is set without RECEIPTS_TOPIC; set that, or unset this"},
		{"required alone", []string{"RECEIPTS_REQUIRED", "true"}, "RECEIPTS_REQUIRED: is true without RECEIPTS_TOPIC; set that, or unset this"},
		{"the events' topic", []string{"RECEIPTS_TOPIC", "releases", "RECEIPTS_KEY_FILE", good}, "RECEIPTS_TOPIC: is the same topic as one of KAFKA_TOPIC; name another"},
		{"the dead letters' topic", []string{"RECEIPTS_TOPIC", "releases.dlq", "RECEIPTS_KEY_FILE", good}, "RECEIPTS_TOPIC: is the same topic as DLQ_TOPIC; name another"},
		{"the ledger", []string{"RECEIPTS_TOPIC", "releases.dlq.ledger", "RECEIPTS_KEY_FILE", good}, "RECEIPTS_TOPIC: is the same topic as DLQ_TOPIC's ledger; name another"},
		{"the replays' topic", []string{"KAFKA_REPLAY_TOPIC", "again", "RECEIPTS_TOPIC", "again", "RECEIPTS_KEY_FILE", good}, "RECEIPTS_TOPIC: is the same topic as KAFKA_REPLAY_TOPIC; name another"},
		{"a blank file", []string{"RECEIPTS_TOPIC", "receipts", "RECEIPTS_KEY_FILE", file(t, " \n")}, "RECEIPTS_KEY_FILE: the file is blank; write the secret into it"},
		{"a short old key", []string{"RECEIPTS_TOPIC", "receipts", "RECEIPTS_KEY_FILE", file(t, key+"\nshort\n")},
			"RECEIPTS_KEY_FILE: key 2 of the file is shorter than 32 characters; write one that cannot be guessed, as from openssl rand -hex 32"},
		{"a typing error", []string{"RECEIPTS_TOPCI", "receipts"}, "unknown setting RECEIPTS_TOPCI; did you mean RECEIPTS_TOPIC?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, with(c.set...))
			s, _, err := Load()
			switch {
			case c.want != "" && (err == nil || err.Error() != c.want):
				t.Errorf("%v, want %s", err, c.want)
			case c.want == "" && err != nil:
				t.Error(err)
			case c.name == "with two keys" && (len(s.Receipts.Keys) != 2 || s.Receipts.Keys[0].Reveal() != key || !s.Receipts.Required):
				t.Errorf("%d keys, required %t", len(s.Receipts.Keys), s.Receipts.Required)
			}
		})
	}
}

// A command writes no receipts, and may do without the key; one that looks for an event reads it then.
func TestACommandNeedsNoReceiptsKey(t *testing.T) {
	key := strings.Repeat("k", 32)
	for keyFile, want := range map[string]string{
		"/no/such/file": "the file that it names cannot be read (no such file or directory); is it mounted and readable?",
		"":              "is not set", file(t, key): "",
	} {
		environment(t, with("RECEIPTS_TOPIC", "receipts", "RECEIPTS_KEY_FILE", keyFile))
		s, _, err := Load(GroupKafka, GroupDeadLetters, GroupReceipts)
		if err != nil || s.Receipts.Topic != "receipts" {
			t.Fatalf("%v, topic %q", err, s.Receipts.Topic)
		}
		keys, err := s.Receipts.ReadKeys()
		if want == "" && (err != nil || len(keys) != 1 || keys[0].Reveal() != key) || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%q: %v, want %q", keyFile, err, want)
		}
	}
}
