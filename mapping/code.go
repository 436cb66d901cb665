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
	byName  map[string]string // by number and by name
	unknown string            // the API's code for unknown
	odd     Suspicion         // any other number or name
}

var (
	plateColors = &codeList{unknown: "-1", odd: UnknownPlateColor, byName: map[string]string{
		"1": "1", "blue": "1", "蓝色": "1", "蓝": "1",
		"2": "2", "yellow": "2", "黄色": "2", "黄": "2",
		"3": "3", "white": "3", "白色": "3", "白": "3",
		"4": "4", "black": "4", "黑色": "4", "黑": "4",
		"5": "5", "green": "5", "绿色": "5", "绿": "5",
		"-1": "-1", "unknown": "-1", "未知": "-1",
	}}
	carTypes = &codeList{unknown: "0", odd: UnknownCarType, byName: map[string]string{
		"1": "1", "temporary": "1", "临停车辆": "1", "临停": "1",
		"2": "2", "monthly": "2", "月卡车辆": "2", "月卡": "2",
		"3": "3", "vip": "3", "贵宾车辆": "3", "贵宾车辆(免费车)": "3", "贵宾车辆（免费车）": "3", "免费车": "3",
		"4": "4", "stored_value": "4", "储值车辆": "4", "储值": "4",
		"0": "0", "-0": "0", "other": "0", "其他未知": "0", "其他": "0",
	}}
)

// written are the names of each code but its number, without other spellings of one name.
func (c *codeList) written() map[string][]string {
	names := map[string][]string{}
	for name, code := range c.byName {
		if name != code && name != "-0" && !strings.Contains(name, "（") {
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

// find finds a code by number or by name, in upper or lower case. If the API has no such
// code, known is false and the code is the one for unknown.
func (c *codeList) find(s string) (code string, known bool) {
	if code, known = c.byName[s]; known {
		return code, true
	}
	// 3.0 and 3e0 are 3. What only strconv reads as a number ("+3", "0x3") is other text.
	if number := jsontext.Value(s); number.Kind() == jsontext.KindNumber && number.IsValid() {
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			s = strconv.FormatFloat(n, 'f', -1, 64)
		}
	}
	if code, known = c.byName[strings.ToLower(s)]; known {
		return code, true
	}
	return c.unknown, false
}
