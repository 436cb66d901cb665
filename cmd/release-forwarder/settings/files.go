package settings

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// lineEnds are those of all editors.
const lineEnds = "\r\n"

// ParseSecret reads a file that holds one secret (a mounted Kubernetes Secret).
// What does not count, and what may not be in it, is as in [Text]; a file that is
// blank or holds more than one line is refused too. No error repeats anything of the
// contents.
func ParseSecret(contents []byte) (Secret, error) {
	lines, err := parts(string(contents), lineEnds)
	switch {
	case err != nil:
		return Secret{}, fmt.Errorf("the file %w", err)
	case len(lines) == 0:
		return Secret{}, errBlank
	case len(lines) > 1:
		return Secret{}, errors.New("the file holds more than one line; write the secret alone into it")
	}
	return NewSecret(lines[0]), nil
}

var errBlank = errors.New("the file is blank; write the secret into it")

// maxToken bounds a token: a broker takes no log-in of more than 512 KiB, a token has a few.
const maxToken = 64 << 10

// token is the form of a token that may stand in a log-in (RFC 6750, 2.1).
var token = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// ParseToken reads a file that holds one token of OAUTHBEARER. It is [ParseSecret] of a text that may be sent as
// a token.
func ParseToken(contents []byte) (Secret, error) {
	secret, err := ParseSecret(contents)
	if err != nil {
		return Secret{}, err
	}
	if err := JudgeToken(secret.Reveal()); err != nil {
		return Secret{}, fmt.Errorf("the file %w", err)
	}
	return secret, nil
}

// JudgeToken says what a text lacks to be a token. The error continues a line that begins with where the text is
// from.
func JudgeToken(text string) error {
	switch {
	case len(text) > maxToken:
		return fmt.Errorf("holds more than the %d KiB of a token", maxToken>>10)
	case !token.MatchString(text):
		return errors.New("holds what no token has: one is of A-Z a-z 0-9 . _ ~ + / - (RFC 6750)")
	}
	return nil
}

// ParseSecrets reads a file that holds the secret in force and, in a second line,
// perhaps the next one; blank lines do not count. Each line is as [Text] demands, and a
// third is refused. next is zero where there is none, or where it is the same. No error
// repeats anything of the contents.
func ParseSecrets(contents []byte) (secret, next Secret, err error) {
	lines, err := parts(string(contents), lineEnds)
	switch {
	case err != nil:
		return Secret{}, Secret{}, fmt.Errorf("the file %w", err)
	case len(lines) == 0:
		return Secret{}, Secret{}, errBlank
	case len(lines) > 2:
		return Secret{}, Secret{}, errors.New("the file holds more than two lines; write the secret in force and the next one into it")
	case len(lines) == 2 && lines[0] != lines[1]:
		next = NewSecret(lines[1])
	}
	return NewSecret(lines[0]), next, nil
}

// leastKey is the least length of a receipts' key: a shorter one can be guessed, and with it what the digests
// are of.
const leastKey = 32

// ParseReceiptKeys reads a file that holds the keys of the receipts' digests, one a line, the newest first; blank
// lines do not count. Each line is as [Text] demands. No error repeats anything of the contents.
func ParseReceiptKeys(contents []byte) ([]Secret, error) {
	lines, err := parts(string(contents), lineEnds)
	if err != nil {
		return nil, fmt.Errorf("the file %w", err)
	}
	if len(lines) == 0 {
		return nil, errBlank
	}
	keys := make([]Secret, len(lines))
	for i, line := range lines {
		if len(line) < leastKey {
			return nil, fmt.Errorf("key %d of the file is shorter than %d characters; write one that cannot be guessed, as from openssl rand -hex 32", i+1, leastKey)
		}
		keys[i] = NewSecret(line)
	}
	return keys, nil
}

// ParseCA reads PEM certificates and returns a pool of them and of base's; nil
// is no base. Base is not changed.
func ParseCA(base *x509.CertPool, contents []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if base != nil {
		pool = base.Clone()
	}
	contents, err := pemText(contents)
	if err != nil {
		return nil, fmt.Errorf("the file %w", err)
	}
	if !pool.AppendCertsFromPEM(contents) {
		return nil, errors.New("the file holds no certificate in PEM form; write the CA's certificate into it")
	}
	return pool, nil
}

// ParseKeyPair reads a PEM certificate, with the chain above it where there is
// one, and its PEM key.
func ParseKeyPair(cert, key []byte) (*tls.Certificate, error) {
	cert, err := pemText(cert)
	if err != nil {
		return nil, fmt.Errorf("the certificate's file %w", err)
	}
	if key, err = pemText(key); err != nil {
		return nil, fmt.Errorf("the key's file %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New("the certificate and the key are not a pair in PEM form; check both files")
	}
	return &pair, nil
}

// pemText is [Text] for a file in PEM form, where line ends and tabs are allowed. After an
// invisible character the next certificate would be skipped silently. Bytes that are not
// UTF-8 are allowed: comments between certificates may have any encoding. The caller
// refuses a file with nothing in PEM form (a certificate in DER).
func pemText(contents []byte) ([]byte, error) {
	text, begin, err := unmarked(string(contents))
	if err != nil || !bytes.Contains(contents, []byte("-----BEGIN")) {
		return contents, err
	}
	for i, r := range text {
		if Unseen(r) && r != utf8.RuneError && r != '\n' && r != '\r' && r != '\t' {
			return nil, unseenAt(r, begin+i)
		}
	}
	return []byte(text), nil
}
