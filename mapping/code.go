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

func newCodes() *codeList { return &codeList{byName: map[string]string{}} }

// written are the names of each code but its number, without other spellings of one name.
func (c *codeList) written() map[string][]string {
	names := map[string][]string{}
	for name, code := range c.byName {
		if name != code && !strings.Contains(name, "（") {
			names[code] = append(names[code], name)
		}
	}
	return names
}

// forms lists the codes with their names, as "1 blue 蓝 蓝色; 2 yellow 黄 黄色; …".
func (c *codeList) forms() string {
	names := c.written()
	rows := make([]string, 0, len(names))
	for _, code := range slices.Sorted(maps.Keys(names)) {
		slices.Sort(names[code])
		rows = append(rows, code+" "+strings.Join(names[code], " "))
	}
	return strings.Join(rows, "; ")
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
