package mapping

import "unicode/utf8"

// MaxDepth is how deep an event may nest; its own object is level 1.
const MaxDepth = 1000

// Phrases of Error.Detail for what is not JSON.
const (
	cutOff         = "the value ends too early"
	noObject       = "not a JSON object"
	trailingData   = "something follows the object"
	wantKey        = "a key was expected"
	wantColon      = "a colon was expected"
	wantCommaOrEnd = "a comma or the end was expected"
	wantValue      = "a JSON value was expected"
	rawControl     = "a control character stands in a string unescaped"
	badEscape      = "an escape that JSON does not have"
	badNumber      = "a number that JSON does not have"
	tooDeep        = "nested too deep"
)

// kind is what a JSON value is, as far as the mapping cares.
type kind uint8

const (
	absent kind = iota // or null: the event's rules see no difference
	text
	number
	other // true, false, an object or an array
)

// literal is a string, without its quotes, or another value as it stands in the document.
type literal struct {
	from, to int
	kind     kind
	marks    marks // of a string
}

// marks tell what a string holds that is not plain ASCII, so that plain strings, which
// most are, need no second look.
type marks uint8

const (
	escaped    marks = 1 << iota // a backslash
	wide                         // a byte beyond ASCII
	surrogates                   // an escape from \uD800 to \uDFFF
)

func (l literal) has(m marks) bool { return l.marks&m != 0 }

// scanner reads JSON by RFC 8259's grammar, forward and in place. Its methods begin at
// pos, leave pos behind what they read, and answer false once the document turns
// out not to be JSON: then pos is where and problem is why.
type scanner struct {
	data    []byte
	pos     int
	problem string

	// judgeText asks for every string to be judged by soundText; badText is where
	// the first unsound one begins, -1 while there is none.
	judgeText bool
	badText   int
}

func (s *scanner) fail(problem string) bool {
	if s.pos >= len(s.data) {
		problem = cutOff
	}
	s.problem = problem
	return false
}

// space passes white space and returns the next byte, 0 at the end (where a raw 0
// fits as little as the end does).
func (s *scanner) space() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// value reads any value; enclosing is the number of containers around it.
func (s *scanner) value(enclosing int) (literal, bool) {
	switch c := s.space(); c {
	case '"':
		return s.text()
	case '{', '[':
		from := s.pos
		ok := s.container(enclosing)
		return literal{from: from, to: s.pos, kind: other}, ok
	case 't':
		return s.word("true", other)
	case 'f':
		return s.word("false", other)
	case 'n':
		return s.word("null", absent)
	default:
		if c == '-' || isDigit(c) {
			return s.number()
		}
		return literal{}, s.fail(wantValue)
	}
}

// text reads a string. pos is at its opening quote.
func (s *scanner) text() (literal, bool) {
	data, from := s.data, s.pos+1
	var seen byte
	var found marks
	i := from
	for i < len(data) {
		c := data[i]
		if c >= ' ' && c != '"' && c != '\\' {
			seen |= c
			i++
			continue
		}
		switch c {
		case '"':
			if seen >= utf8.RuneSelf {
				found |= wide
			}
			s.pos = i + 1
			l := literal{from: from, to: i, kind: text, marks: found}
			if found != 0 && s.judgeText && s.badText < 0 && !soundText(data, l) {
				s.badText = from
			}
			return l, true
		case '\\':
			length, surrogate := escape(data[i:])
			if length == 0 {
				s.pos = i
				return literal{}, s.fail(badEscape)
			}
			found |= escaped
			if surrogate {
				found |= surrogates
			}
			i += length
		default:
			s.pos = i
			return literal{}, s.fail(rawControl)
		}
	}
	s.pos = i
	return literal{}, s.fail(cutOff)
}

// escape measures the escape that data begins with, 0 where it is none, and tells
// whether it is half of a surrogate pair.
func escape(data []byte) (length int, surrogate bool) {
	if len(data) < 2 {
		return 0, false
	}
	switch data[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, false
	case 'u':
		r, ok := hex4(data[2:])
		if !ok {
			return 0, false
		}
		return 6, r&0xF800 == 0xD800
	}
	return 0, false
}

// hex4 reads four hexadecimal digits.
func hex4(data []byte) (r rune, ok bool) {
	if len(data) < 4 {
		return 0, false
	}
	for _, c := range data[:4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// number reads a number. pos is at its first byte.
func (s *scanner) number() (literal, bool) {
	from := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++ // no digit may follow a leading 0: what comes after will not fit
	} else if !s.digits() {
		return literal{}, s.fail(badNumber)
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return literal{}, s.fail(badNumber)
		}
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return literal{}, s.fail(badNumber)
		}
	}
	return literal{from: from, to: s.pos, kind: number}, true
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// digits reads one digit or more.
func (s *scanner) digits() bool {
	from := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > from
}

func (s *scanner) word(w string, k kind) (literal, bool) {
	from := s.pos
	for i := range len(w) {
		if s.peek() != w[i] {
			return literal{}, s.fail(wantValue)
		}
		s.pos++
	}
	return literal{from: from, to: s.pos, kind: k}, true
}

// container reads an object or array and all in it. pos is at its bracket, enclosing
// is the number of containers around it. It keeps its own stack, one bit a level,
// so that depth costs neither goroutine stack nor allocations.
func (s *scanner) container(enclosing int) bool {
	var isObject [MaxDepth/64 + 1]uint64
	depth := enclosing
	for {
		// A value begins here.
		switch c := s.space(); c {
		case '{', '[':
			if depth == MaxDepth {
				return s.fail(tooDeep)
			}
			depth++
			s.pos++
			bit, end := uint64(1)<<(depth%64), byte(']')
			isObject[depth/64] &^= bit
			if c == '{' {
				isObject[depth/64] |= bit
				end = '}'
			}
			if s.space() != end {
				if c == '{' && !s.key() {
					return false
				}
				continue
			}
		default:
			if _, ok := s.value(depth); !ok { // a scalar: no recursion
				return false
			}
		}
		// A value ends here, an empty container before its closing bracket.
		for {
			object := isObject[depth/64]>>(depth%64)&1 == 1
			c := s.space()
			if c == ',' {
				s.pos++
				if object && !s.key() {
					return false
				}
				break
			}
			if object && c != '}' || !object && c != ']' {
				return s.fail(wantCommaOrEnd)
			}
			s.pos++
			if depth--; depth == enclosing {
				return true
			}
		}
	}
}

// key passes the key of a nested member and its colon.
func (s *scanner) key() bool {
	_, ok := s.keyLiteral()
	return ok
}

func (s *scanner) keyLiteral() (literal, bool) {
	if s.space() != '"' {
		return literal{}, s.fail(wantKey)
	}
	l, ok := s.text()
	if !ok {
		return l, false
	}
	if s.space() != ':' {
		return l, s.fail(wantColon)
	}
	s.pos++
	return l, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
