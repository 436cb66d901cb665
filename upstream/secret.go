package upstream

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a secret would.
const redacted = "***"

// Secret is an app secret. It prints as *** in every way there is to print it
// by accident: fmt with any verb, log/slog, encoding/json. The zero value is no
// secret at all.
type Secret struct {
	// A pointer, because fmt follows unexported fields without asking their
	// methods: of a pointer to a string it then shows the address alone.
	text *string
}

// NewSecret hides text. An empty text gives the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the secret itself, "" for the zero Secret. It is for signing
// and for comparing, never for output.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both hide the same text; == would compare the places
// where they keep it.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String returns ***, or "" for the zero Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format writes what String returns, whatever the verb and flags: %x and %#v
// would otherwise look inside.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue lets log/slog see what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText lets encoders (JSON and others) see what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
