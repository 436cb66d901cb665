package mapping

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// codeList holds the codes of one field.
type codeList struct {
	byName    map[string]string // by number and by name, in lower case
	otherwise string            // of any other number or name; "": it is refused
}

// forms lists the codes with their names, but no other spellings of one name: "1 blue 蓝 蓝色; 2 yellow 黄 黄色; …".
func (c *codeList) forms() string {
	rows := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		if code := c.byName[name]; name != code && !strings.Contains(name, "（") {
			rows[code] += " " + name
		}
	}
	var all []string
	for _, code := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, code+rows[code])
	}
	return strings.Join(all, "; ")
}

// find finds a code by number or by name, in upper or lower case. If there is no such
// number or name, known is false and the code is that for others.
func (c *codeList) find(s string) (code string, known bool) {
	if code, known = c.byName[s]; known {
		return code, true
	}
	// 3.0 and 3e0 are 3. What only strconv reads as a number ("+3", "0x3") is other text.
	if number := jsontext.Value(s); number.Kind() == jsontext.KindNumber && number.IsValid() {
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			s = strconv.FormatFloat(n+0, 'f', -1, 64) // -0 + 0 is 0
		}
	}
	if code, known = c.byName[strings.ToLower(s)]; known {
		return code, true
	}
	return c.otherwise, false
}
