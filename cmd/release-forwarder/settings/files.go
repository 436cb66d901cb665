package settings

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"unicode/utf8"
)

// ParseSecret reads a file that holds one secret (a mounted Kubernetes Secret).
// Blank space around it does not count; one that is blank, holds more than one
// line or is not UTF-8 is refused. No error repeats anything of the contents.
func ParseSecret(contents []byte) (Secret, error) {
	text := bytes.TrimSpace(contents)
	switch {
	case len(text) == 0:
		return Secret{}, errors.New("the file is blank; write the secret into it")
	case bytes.ContainsAny(text, "\r\n"):
		return Secret{}, errors.New("the file holds more than one line; write the secret alone into it")
	case !utf8.Valid(text):
		return Secret{}, errors.New("the file is not UTF-8; write the secret as text into it")
	}
	return NewSecret(string(text)), nil
}

// ParseSecrets reads a file that holds the secret in force and, in a second line,
// perhaps the next one; blank lines and blank space around a line do not count. A
// third line is refused, and so is what is not UTF-8. next is zero where there is
// none, or where it is the same. No error repeats anything of the contents.
func ParseSecrets(contents []byte) (secret, next Secret, err error) {
	var lines []string
	for line := range strings.FieldsFuncSeq(string(contents), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	switch {
	case len(lines) == 0:
		return Secret{}, Secret{}, errors.New("the file is blank; write the secret into it")
	case len(lines) > 2:
		return Secret{}, Secret{}, errors.New("the file holds more than two lines; write the secret in force and the next one into it")
	case !utf8.Valid(contents):
		return Secret{}, Secret{}, errors.New("the file is not UTF-8; write the secret as text into it")
	case len(lines) == 2 && lines[0] != lines[1]:
		next = NewSecret(lines[1])
	}
	return NewSecret(lines[0]), next, nil
}

// ParseCA reads PEM certificates and returns a pool of them and of base's; nil
// is no base. Base is not changed.
func ParseCA(base *x509.CertPool, contents []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if base != nil {
		pool = base.Clone()
	}
	if !pool.AppendCertsFromPEM(contents) {
		return nil, errors.New("the file holds no certificate in PEM form; write the CA's certificate into it")
	}
	return pool, nil
}

// ParseKeyPair reads a PEM certificate, with the chain above it where there is
// one, and its PEM key.
func ParseKeyPair(cert, key []byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New("the certificate and the key are not a pair in PEM form; check both files")
	}
	return &pair, nil
}
