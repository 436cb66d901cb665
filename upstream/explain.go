package upstream

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// The texts of an explanation. It holds only these and names of the API's parameters.
const (
	sayNoHint      = "the platform shows no string to compare with ours: check the secret, the app_id and that the charset is UTF-8"
	saySecret      = "both strings to sign are the same: the secret is not the one the platform has for this app_id, or this lot"
	sayBytes       = "both look the same but hold other than ASCII characters: perhaps it signs them as GBK and not as UTF-8"
	sayQuestion    = ": ? where a character beyond ASCII was: the charset is not UTF-8 on the way"
	sayMojibake    = ": other characters beyond ASCII: read in another charset, such as GBK"
	sayEncoded     = ": signed as it is encoded in the body, not as its raw value"
	sayBlank       = ": blank or line end otherwise: trimmed or decoded on the way"
	sayEmpty       = ": empty there"
	sayAbsent      = ": missing there"
	sayAdded       = ": not sent by us"
	sayOther       = ": another value there"
	sayOrder       = "the same parameters in another order"
	sayEmptySigned = ": signed there although it is empty"
	sayAppID       = "the app_id is not the one this credential is for"
	sayUnknown     = "a parameter that is not the API's: not sent by us"
)

// publicNames are the public parameters of the platform's general pages (docs/platform-api.md).
var publicNames = []string{nameAppID, "sign_type", "timestamp"}

// Explain says why the platform did not take a signature, as far as the hint of its
// answer shows: that mostly holds the string that the platform signed. signed are the
// parameters that were sent, with app_id if there was one; fields names those that an event
// can have. The explanation holds only fixed words and names of the API's parameters, so it
// is safe to log.
func Explain(signed []Param, hint string, fields []string) string {
	names := slices.Concat(publicNames, fields)
	for _, p := range signed {
		names = append(names, p.Name)
	}
	theirs, found := findToSign(hint, names)
	if !found {
		return sayNoHint
	}
	params := canonical(signed)
	ours := string(appendToSign(nil, params, ""))
	ours = strings.TrimSuffix(ours, "&app_secret=")
	if ours == theirs {
		if isASCII(ours) {
			return saySecret
		}
		return saySecret + "; " + sayBytes
	}
	return compare(params, split(theirs), names)
}

// findToSign finds the string to sign within a hint, up to the secret. It begins with one
// of the names.
func findToSign(hint string, names []string) (string, bool) {
	end := strings.LastIndex(hint, "&app_secret=")
	if end < 0 {
		return "", false
	}
	text := hint[:end]
	begin := -1
	for _, name := range names {
		for at := 0; ; {
			i := strings.Index(text[at:], name+"=")
			if i < 0 {
				break
			}
			if at += i; at == 0 || !isName(text[at-1]) {
				if begin < 0 || at < begin {
					begin = at
				}
				break
			}
			at++
		}
	}
	if begin < 0 {
		return "", false
	}
	return text[begin:], true
}

// isName reports whether c may stand in a parameter's name.
func isName(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// split cuts a string to sign wherever a parameter seems to begin. This may cut a value
// too: see take.
func split(text string) []Param {
	var params []Param
	for begin := 0; begin < len(text); {
		end := len(text)
		for i := begin + 1; i < len(text); i++ {
			if text[i] == '&' && startsParam(text[i+1:]) {
				end = i
				break
			}
		}
		name, value, _ := strings.Cut(text[begin:end], "=")
		params = append(params, Param{name, value})
		begin = end + 1
	}
	return params
}

// startsParam reports whether text begins with a name and an equals sign.
func startsParam(text string) bool {
	for i := range len(text) {
		if !isName(text[i]) {
			return i > 0 && text[i] == '='
		}
	}
	return false
}

// compare lists the differences, in the order of the names. It names only names.
func compare(ours, theirs []Param, names []string) string {
	var says []string
	say := func(name, words string) {
		if !slices.Contains(names, name) {
			name, words = "", sayUnknown
		}
		if text := name + words; !slices.Contains(says, text) {
			says = append(says, text)
		}
	}
	for _, p := range ours {
		value, found, rest := take(theirs, p)
		switch {
		case !found:
			say(p.Name, sayAbsent)
		case value != p.Value:
			say(p.Name, difference(p.Value, value))
		}
		theirs = rest
	}
	for _, q := range theirs {
		if q.Value == "" {
			say(q.Name, sayEmptySigned)
			continue
		}
		say(q.Name, sayAdded)
	}
	if len(says) == 0 {
		return sayOrder
	}
	if strings.HasPrefix(says[0], nameAppID+":") {
		says = append(says, sayAppID)
	}
	return strings.Join(says, "; ")
}

// take removes our parameter p from theirs and returns its value there. If our value
// looks like parameters, split has cut theirs too: the following parts belong to it as
// long as the names are the same.
func take(theirs []Param, p Param) (value string, found bool, rest []Param) {
	at := slices.IndexFunc(theirs, func(q Param) bool { return q.Name == p.Name })
	if at < 0 {
		return "", false, theirs
	}
	value = theirs[at].Value
	end := at + 1
	for _, part := range split(p.Name + "=" + p.Value)[1:] {
		if end == len(theirs) || theirs[end].Name != part.Name {
			break
		}
		value += "&" + part.Name + "=" + theirs[end].Value
		end++
	}
	return value, true, slices.Delete(slices.Clone(theirs), at, end)
}

// difference says how the platform's value differs from ours.
func difference(ours, theirs string) string {
	switch {
	case theirs == "":
		return sayEmpty
	case theirs == url.QueryEscape(ours), theirs == url.PathEscape(ours):
		return sayEncoded
	case !isASCII(ours) && lost(ours, theirs):
		return sayQuestion
	case !isASCII(ours) && !isASCII(theirs) && sameAround(ours, theirs):
		return sayMojibake
	case noBlank(ours) == noBlank(theirs):
		return sayBlank
	}
	return sayOther
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// lost reports whether theirs is ours with question marks, or replacement characters, in
// place of other than ASCII characters: one for each character, or for each byte.
func lost(ours, theirs string) bool {
	if !strings.ContainsAny(theirs, "?\uFFFD") {
		return false
	}
	squeeze := func(text string) string {
		var b strings.Builder
		in := false
		for _, r := range text {
			gone := r >= utf8.RuneSelf || r == '?'
			if gone && !in {
				b.WriteByte('?')
			} else if !gone {
				b.WriteRune(r)
			}
			in = gone
		}
		return b.String()
	}
	return squeeze(ours) == squeeze(theirs) && isASCII(strings.ReplaceAll(theirs, "\uFFFD", "?"))
}

// sameAround reports whether the ASCII parts of two texts are equal. One character may be
// missing, because a wrong charset can swallow the ASCII character after a Chinese one.
func sameAround(ours, theirs string) bool {
	a, b := ascii(ours), ascii(theirs)
	return a == b || len(a) > 0 && strings.HasSuffix(a, b) || len(a) > len(b) && strings.HasPrefix(a, b)
}

// ascii removes all other than ASCII characters.
func ascii(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return -1
		}
		return r
	}, text)
}

func noBlank(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" +\t\r\n\u3000", r) {
			return -1
		}
		return r
	}, text)
}
