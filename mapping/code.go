package mapping

// unknownPlateColor and unknownCarType are what the API calls unknown.
const (
	unknownPlateColor = "-1"
	unknownCarType    = "0"
)

// plateColorOf finds the API's code for a colour by number or name. known is false
// for a colour that the API does not have; -1 itself is known.
func plateColorOf(s []byte) (code string, known bool) {
	switch n, ok := wholeNumber(s); {
	case ok && 1 <= n && n <= 5:
		return "12345"[n-1 : n], true
	case ok && n == -1:
		return unknownPlateColor, true
	case ok:
		return unknownPlateColor, false
	}
	var room [longestName]byte
	switch string(lower(&room, s)) {
	case "blue", "蓝色", "蓝":
		return "1", true
	case "yellow", "黄色", "黄":
		return "2", true
	case "white", "白色", "白":
		return "3", true
	case "black", "黑色", "黑":
		return "4", true
	case "green", "绿色", "绿":
		return "5", true
	case "unknown", "未知":
		return unknownPlateColor, true
	}
	return unknownPlateColor, false
}

// carTypeOf finds the API's code for a car type by number or name. known is false for
// a type that the API does not have; 0 itself is known.
func carTypeOf(s []byte) (code string, known bool) {
	switch n, ok := wholeNumber(s); {
	case ok && 0 <= n && n <= 4:
		return "01234"[n : n+1], true
	case ok:
		return unknownCarType, false
	}
	var room [longestName]byte
	switch string(lower(&room, s)) {
	case "temporary", "临停车辆", "临停":
		return "1", true
	case "monthly", "月卡车辆", "月卡":
		return "2", true
	case "vip", "贵宾车辆", "贵宾车辆(免费车)", "贵宾车辆（免费车）", "免费车":
		return "3", true
	case "stored_value", "储值车辆", "储值":
		return "4", true
	case "other", "其他未知", "其他":
		return unknownCarType, true
	}
	return unknownCarType, false
}

// longestName is at least the length in bytes of every name above.
const longestName = 32

// lower copies s with A to Z made small, nothing where s is too long to be a name.
func lower(room *[longestName]byte, s []byte) []byte {
	if len(s) > len(room) {
		return nil
	}
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		room[i] = c
	}
	return room[:len(s)]
}

// wholeNumber reads a JSON number whose value is whole and has one digit besides
// zeros, however it is written: 3, 3.0, 0.3e1. ok is true for every other JSON
// number too, then n is notACode; it is false for what is no JSON number.
//
// Digits and exponent are weighed as text: a number of a million digits costs its
// length, and 1.00000000000000000001 is not 1.
func wholeNumber(s []byte) (n int, ok bool) {
	if len(s) == 1 && isDigit(s[0]) {
		return int(s[0] - '0'), true
	}
	if len(s) == 0 || s[0] != '-' && !isDigit(s[0]) {
		return 0, false
	}
	scan := scanner{data: s}
	if _, ok := scan.number(); !ok || scan.pos != len(s) {
		return 0, false
	}
	negative := s[0] == '-'
	if negative {
		s = s[1:]
	}
	digit, power := 0, 0 // the value so far is digit × 10^power
	inFraction := false
	for i, c := range s {
		switch {
		case c == '.':
			inFraction = true
		case c|0x20 == 'e':
			power += exponent(s[i+1:])
			return oneDigit(negative, digit, power), true
		case c == '0':
			if !inFraction && digit != 0 {
				power++
			} else if inFraction && digit == 0 {
				power--
			}
		case digit != 0:
			return notACode, true // a second digit that is not 0
		default:
			digit = int(c - '0')
			if inFraction {
				power--
			}
		}
	}
	return oneDigit(negative, digit, power), true
}

// notACode is no code of any field.
const notACode = 100

func oneDigit(negative bool, digit, power int) int {
	switch {
	case digit == 0:
		return 0
	case power != 0:
		return notACode
	case negative:
		return -digit
	}
	return digit
}

// exponent reads the digits after the e, held to ±10^8: no value short enough for Kafka
// has as many digits to set against it.
func exponent(s []byte) int {
	const bound = 100_000_000
	negative := s[0] == '-'
	n := 0
	for _, c := range s {
		if isDigit(c) {
			n = min(n*10+int(c-'0'), bound)
		}
	}
	if negative {
		return -n
	}
	return n
}
