package settings

import "release-forwarder/upstream/credential"

// redacted stands for a secret wherever one would be printed.
const redacted = "***"

// Secret is a text that prints as *** in every way there is to print it: what
// the platform's client makes of its app secret holds for a password too.
type Secret = credential.Secret

// NewSecret hides a text; an empty one is no secret.
func NewSecret(text string) Secret { return credential.NewSecret(text) }
