package credential_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"release-forwarder/upstream/credential"
)

func TestSecretNeverPrintsItself(t *testing.T) {
	const text = "hunter2"
	type hidden struct{ inner credential.Secret } // fmt cannot call its methods
	secret := credential.NewSecret(text)
	signing := credential.Credential{AppID: "op1", Secret: secret}

	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10.3s"} {
		for _, value := range []any{secret, &secret, signing, hidden{secret}, &hidden{secret}, []credential.Secret{secret}, map[string]any{"a": secret}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	var logs bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&logs, nil), slog.NewTextHandler(&logs, nil)} {
		slog.New(handler).Info("m", "secret", secret, "credential", signing, "hidden", hidden{secret})
	}
	encoded, err := json.Marshal(map[string]any{"s": secret, "c": signing, "p": &secret})
	if err != nil {
		t.Fatal(err)
	}
	all := out.String() + logs.String() + string(encoded)
	for _, leak := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text)} {
		if strings.Contains(all, leak) {
			t.Errorf("%q is in\n%s", leak, all)
		}
	}
	if !strings.Contains(string(encoded), `"***"`) {
		t.Errorf("JSON is %s", encoded)
	}
	if secret.Reveal() != text {
		t.Error("Reveal gives something else")
	}
}

func TestSecretZero(t *testing.T) {
	zero := credential.Secret{}
	if !zero.IsZero() || zero.Reveal() != "" || zero.String() != "" || !credential.NewSecret("").IsZero() {
		t.Error("the zero Secret is a secret")
	}
	if !zero.Equal(credential.NewSecret("")) || !credential.NewSecret("a").Equal(credential.NewSecret("a")) || zero.Equal(credential.NewSecret("a")) {
		t.Error("Equal is wrong")
	}
}
