package mapping

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The API's codes for unknown.
const (
	unknownPlateColor = "-1"
	unknownCarType    = "0"
)

// plateColors and carTypes give the API's codes by number and by name.
var (
	plateColors = map[string]string{
		"1": "1", "blue": "1", "蓝色": "1", "蓝": "1",
		"2": "2", "yellow": "2", "黄色": "2", "黄": "2",
		"3": "3", "white": "3", "白色": "3", "白": "3",
		"4": "4", "black": "4", "黑色": "4", "黑": "4",
		"5": "5", "green": "5", "绿色": "5", "绿": "5",
		"-1": unknownPlateColor, "unknown": unknownPlateColor, "未知": unknownPlateColor,
	}
	carTypes = map[string]string{
		"1": "1", "temporary": "1", "临停车辆": "1", "临停": "1",
		"2": "2", "monthly": "2", "月卡车辆": "2", "月卡": "2",
		"3": "3", "vip": "3", "贵宾车辆": "3", "贵宾车辆(免费车)": "3", "贵宾车辆（免费车）": "3", "免费车": "3",
		"4": "4", "stored_value": "4", "储值车辆": "4", "储值": "4",
		"0": unknownCarType, "-0": unknownCarType, "other": unknownCarType, "其他未知": unknownCarType, "其他": unknownCarType,
	}
)

// codeOf finds a code by number or by name, in upper or lower case. If the API has no
// such code, known is false and the code is unknown.
func codeOf(codes map[string]string, s, unknown string) (code string, known bool) {
	if code, known = codes[s]; known {
		return code, true
	}
	// 3.0 and 3e0 are 3. What only strconv reads as a number ("+3", "0x3") is other text.
	if number := jsontext.Value(s); number.Kind() == jsontext.KindNumber && number.IsValid() {
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			s = strconv.FormatFloat(n, 'f', -1, 64)
		}
	}
	if code, known = codes[strings.ToLower(s)]; known {
		return code, true
	}
	return unknown, false
}
