package upstream

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strings"
)

// The parameters that the client adds to a request.
const (
	nameAppID = "app_id"
	nameSign  = "sign"
)

// Param is one parameter of the platform's API: a name and its raw value, in UTF-8 and
// not encoded. A parameter with an empty value is neither sent nor signed.
type Param struct{ Name, Value string }

// StringToSign returns the text whose MD5 is the signature: all parameters except sign
// that have a value, sorted by the bytes of their names, as name=value with raw values,
// joined by &, then &app_secret= and the secret
// (docs/platform-api.md has an example). To show the text, give *** as the secret.
func StringToSign(params []Param, secret string) string {
	var room [1024]byte // see signCanonical
	return string(appendToSign(room[:0], canonical(params), secret))
}

// Sign returns the value of the parameter sign: the MD5 of StringToSign, as 32
// upper-case hexadecimal digits.
func Sign(params []Param, secret string) string {
	return signCanonical(canonical(params), secret)
}

func signCanonical(params []Param, secret string) string {
	// Enough for an ordinary request, so that nothing is allocated.
	var room [1024]byte
	sum := md5.Sum(appendToSign(room[:0], params, secret)) // MD5 is the platform's choice.
	var digits [2 * md5.Size]byte
	hex.Encode(digits[:], sum[:])
	for i, c := range digits {
		if c >= 'a' {
			digits[i] = c - 'a' + 'A'
		}
	}
	return string(digits[:])
}

func appendToSign(text []byte, params []Param, secret string) []byte {
	for _, p := range params {
		text = append(text, p.Name...)
		text = append(text, '=')
		text = append(text, p.Value...)
		text = append(text, '&')
	}
	text = append(text, "app_secret="...)
	return append(text, secret...)
}

// canonical returns the parameters that are signed, in the order of signing. It never
// changes params, and returns it without a copy if it is in order, as from mapping.
func canonical(params []Param) []Param {
	isOut := func(p Param) bool { return p.Value == "" || p.Name == nameSign }
	byName := func(a, b Param) int { return strings.Compare(a.Name, b.Name) }
	if slices.ContainsFunc(params, isOut) {
		params = slices.DeleteFunc(slices.Clone(params), isOut)
	}
	if !slices.IsSortedFunc(params, byName) {
		params = slices.Clone(params)
		slices.SortStableFunc(params, byName)
	}
	return params
}

// withAppID returns params in canonical order with the client's app_id instead of any
// that the caller gave.
func withAppID(params []Param, appID string) []Param {
	all := make([]Param, 0, len(params)+1)
	if appID != "" {
		all = append(all, Param{nameAppID, appID}) // mostly the right place
	}
	for _, p := range params {
		if p.Name != nameAppID && p.Value != "" { // canonical would make a copy to leave out an empty one
			all = append(all, p)
		}
	}
	return canonical(all)
}
