package connect

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/settings"
)

func user(m settings.Mechanism, name, password string) func(*settings.Kafka) {
	return func(k *settings.Kafka) {
		k.SASL = settings.SASL{Mechanism: m, Username: name, Password: settings.NewSecret(password)}
	}
}

func TestLogin(t *testing.T) {
	for _, m := range []settings.Mechanism{settings.Plain, settings.ScramSHA256, settings.ScramSHA512} {
		t.Run(string(m), func(t *testing.T) {
			address := broker(t, kfake.EnableSASL(), kfake.Superuser(string(m), "lane", "s3cret"))
			k := connected(t, Config{Kafka: kafkaSettings(user(m, "lane", "s3cret"), address)})
			if err := k.Reach(t.Context()); err != nil {
				t.Errorf("over the dialer: %v", err)
			}
			if err := metadataOf(t.Context(), k); err != nil {
				t.Errorf("over the transport: %v", err)
			}

			wrong := connected(t, Config{Kafka: kafkaSettings(user(m, "lane", "wr0ng"), address)})
			err := wrong.Reach(t.Context())
			if fault, is := errors.AsType[*ReachError](err); !is || fault.Fault != BadLogin {
				t.Errorf("wrong password: %v", err)
			}
			if strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}

func TestLoginOverTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	address := broker(t, kfake.TLS(ca.server("127.0.0.1")), kfake.EnableSASL(), kfake.Superuser("PLAIN", "lane", "s3cret"))
	k := connected(t, Config{Kafka: kafkaSettings(together(trusting(t, ca), user(settings.Plain, "lane", "s3cret")), address)})
	if err := errors.Join(k.Reach(t.Context()), metadataOf(t.Context(), k)); err != nil {
		t.Error(err)
	}
}

func TestAChangedPasswordFileCountsFromTheNextConnection(t *testing.T) {
	for _, m := range []settings.Mechanism{settings.Plain, settings.ScramSHA256, settings.ScramSHA512} {
		t.Run(string(m), func(t *testing.T) {
			address := broker(t, kfake.EnableSASL(), kfake.Superuser(string(m), "lane", "new"))
			files := mount(t, map[string][]byte{"password": []byte("old\n")})
			k := connected(t, Config{Kafka: kafkaSettings(func(k *settings.Kafka) {
				k.SASL = settings.SASL{Mechanism: m, Username: "lane", PasswordFile: files.path("password")}
			}, address)})
			if err := k.Reach(t.Context()); err == nil {
				t.Fatal("the old password is refused")
			}
			files.swap(map[string][]byte{"password": []byte("new\n")})
			if err := errors.Join(k.Reach(t.Context()), metadataOf(t.Context(), k)); err != nil {
				t.Errorf("after the change: %v", err)
			}
			files.swap(map[string][]byte{"password": []byte("\n")})
			if err := k.Reach(t.Context()); err != nil {
				t.Errorf("a blank file must leave the last good password: %v", err)
			}
		})
	}
}

func TestAnUnknownMechanismSendsNoPassword(t *testing.T) {
	for _, m := range []settings.Mechanism{"OAUTHBEARER", "GSSAPI", "AWS_MSK_IAM", "plain", "SCRAM-SHA-256-PLUS"} {
		l := &login{mechanism: m, username: "lane", password: func() settings.Secret { return settings.NewSecret("s3cret") }}
		if _, first, err := l.Start(t.Context()); err == nil || len(first) > 0 || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: sends %q, error %v", m, first, err)
		}
	}
}
