package lanes

import (
	"math/rand/v2"
	"strconv"
)

// code is one value of plate_color or car_type, with the names for it.
type code struct {
	number int
	names  []string
	// odd names are not in docs/event.md; the code is never written as its number.
	odd bool
}

var (
	blue     = code{number: 1, names: []string{"blue", "蓝色", "蓝"}}
	yellow   = code{number: 2, names: []string{"yellow", "黄色", "黄"}}
	white    = code{number: 3, names: []string{"white", "白色", "白"}}
	black    = code{number: 4, names: []string{"Black", "黑色", "黑"}}
	green    = code{number: 5, names: []string{"green", "绿色", "绿", "GREEN"}}
	noColour = code{number: -1, names: []string{"unknown", "未知"}}

	// oddColour is not in the list of docs/event.md: it is sent as unknown.
	oddColour = code{number: -1, names: []string{"渐变绿", "purple", "99"}, odd: true}

	temporary = code{number: 1, names: []string{"temporary", "临停车辆", "临停"}}
	monthly   = code{number: 2, names: []string{"monthly", "月卡车辆", "月卡"}}
	vip       = code{number: 3, names: []string{"VIP", "贵宾车辆", "贵宾车辆(免费车)", "免费车"}}
	stored    = code{number: 4, names: []string{"stored_value", "储值车辆", "储值"}}
	other     = code{number: 0, names: []string{"other", "其他未知", "其他"}}
)

// codeForm is how a vendor writes codes.
type codeForm int

const (
	codeNumber codeForm = iota
	codeString
	codeName
	codeForms int = iota // how many there are
)

// write returns the JSON of the code.
func (f codeForm) write(c code, rng *rand.Rand) string {
	if c.odd {
		return quote(pick(rng, c.names))
	}
	switch f {
	case codeNumber:
		return strconv.Itoa(c.number)
	case codeString:
		return quote(strconv.Itoa(c.number))
	case codeName:
	}
	return quote(pick(rng, c.names))
}

func (c code) sent() string { return strconv.Itoa(c.number) }
