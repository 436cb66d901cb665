package credential

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted takes the place of a secret.
const redacted = "***"

// Secret is an app secret. It prints as *** by fmt with any verb, log/slog and
// encoding/json, so that it is never printed by accident. The zero value is no secret.
type Secret struct {
	// A pointer, because fmt prints unexported fields without calling their methods:
	// of a pointer to a string it prints the address.
	text *string
}

// NewSecret hides text. An empty text gives the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the secret itself, "" for the zero Secret. Use it to sign and to
// compare, never for output.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both hide the same text; == would compare pointers.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String returns ***, or "" for the zero Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format writes what String returns for any verb and flags: %x and %#v would otherwise
// print the fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String returns, for JSON and other encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
