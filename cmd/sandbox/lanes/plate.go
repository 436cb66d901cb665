package lanes

import (
	"math/rand/v2"
	"strings"
)

const (
	provinces = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
	// Letters and digits of a plate; I and O are not used, as they read as 1 and 0.
	plateLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	plateSigns   = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
	digits       = "0123456789"
)

// newPlate returns a plate and its colour. Most cars at a lot are local, so the
// province is the lot's three times out of four.
func newPlate(rng *rand.Rand, home string) (plate string, colour code) {
	province := home
	if rng.IntN(4) == 0 {
		province = pick(rng, []rune(provinces))
	}
	office := province + pick(rng, []rune(plateLetters))
	switch n := rng.IntN(100); {
	case n < 55:
		return office + signs(rng, plateSigns, 5), blue
	case n < 85: // new energy: one sign more, D for electric, F for hybrid
		return office + pick(rng, []rune("DF")) + signs(rng, plateSigns, 1) + signs(rng, digits, 4), green
	case n < 91:
		return office + signs(rng, plateSigns, 5), yellow
	case n < 93:
		return office + signs(rng, digits, 4) + "学", yellow
	case n < 95:
		return office + signs(rng, digits, 4) + "警", white
	case n < 97:
		return "粤Z" + signs(rng, digits, 4) + pick(rng, []rune("港澳")), black
	case n < 99:
		return "无牌车" + signs(rng, digits, 4), noColour
	default:
		return office + signs(rng, plateSigns, 5), oddColour
	}
}

func signs(rng *rand.Rand, from string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(from[rng.IntN(len(from))])
	}
	return b.String()
}

// pick returns one of the choices as a string.
func pick[T rune | string](rng *rand.Rand, choices []T) string {
	return string(choices[rng.IntN(len(choices))])
}
