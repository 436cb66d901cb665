package check

import (
	"regexp"

	"release-forwarder/mapping"
)

// schemaIn is the JSON Schema of an event with its titles and descriptions in a language.
func schemaIn(l language) string {
	if l != chinese {
		return mapping.Schema()
	}
	return schemaText.ReplaceAllStringFunc(mapping.Schema(), func(member string) string {
		found := schemaText.FindStringSubmatch(member)
		if said, is := schemaWords[found[2]]; is {
			return found[1] + said + `"`
		}
		return member
	})
}

// schemaText matches a member of the schema that people read. None has an escape.
var schemaText = regexp.MustCompile(`("(?:title|description)": ")([^"]*)"`)

// timeSuspected is behind the meaning of both times of leaving.
const timeSuspected = "比消息的时间戳晚 10 分钟以上时，仍会发送，但计为可疑。"

// schemaWords say the schema's titles and descriptions in Chinese.
var schemaWords = map[string]string{
	"Abnormal release (异常放行)": "异常放行",
	"The value of one Kafka record: one JSON object in UTF-8, without a byte order mark, no key twice at its top level, nested at most 1,000 deep. Fields that are not named here are ignored, whatever they hold; app_id and sign are among them. Names are matched exactly. null and blank count as absent. White space around a value (Unicode's, U+3000 too) is removed. An operator may require more fields than the four below (EVENT_REQUIRED_FIELDS). What a schema cannot refuse and the forwarder does: a date that does not exist (February 30th), a local time that the zone's clocks skip, a time just outside 2000-01-01T00:00:00Z to 2099-12-31T23:59:59Z once its offset is counted, impossible parts of a time written as a number of 14 digits, a number for a time written with a point or an exponent, half of a surrogate pair.": "一条 Kafka 消息的内容：一个 JSON 对象，UTF-8 编码，不带字节顺序标记（BOM），顶层的键不重复，嵌套最多 1,000 层。" +
		"这里没有列出的字段会被忽略，内容不限；app_id 和 sign 也会被忽略。字段名必须完全一致。null 和空白视为缺失。值首尾的空白（Unicode 的空白，包括全角空格 U+3000）会被去掉。" +
		"除下面四个必填字段外，运行本服务的团队可能要求更多字段（EVENT_REQUIRED_FIELDS）。" +
		"以下情况 JSON Schema 检查不出，但会被服务拒绝：不存在的日期（如 2 月 30 日）；该时区的时钟跳过的本地时间；按时差换算后略微超出 2000-01-01T00:00:00Z 至 2099-12-31T23:59:59Z 的时间；14 位数字的时间中不可能的部分；带小数点或指数的数字时间；只有半个代理对。",

	"Lot (停车场UUID)": "停车场UUID",
	"The UUID that the platform gave to the lot (平台分配的停车场UUID).": "平台分配的停车场UUID。",
	"Flow number (变更流水号)":                                        "变更流水号",
	"The number of this change, unique in its lot. The platform ignores a number that it has seen from the lot (重复的流水将被忽略): a corrected event needs a new one.": "本次变更的流水号，在车场内唯一。平台忽略该车场已用过的流水号（重复的流水将被忽略）：更正事件时要换新的流水号。",
	"Parking serial (停车流水)": "停车流水",
	"The lot's own number of this parking, usually the ID of the entry (一般为入场记录ID). Events of one serial in one lot are sent in order.": "车场自己的停车流水，一般为入场记录ID。同一车场、同一停车流水的事件按顺序发送。",
	"Plate (车牌号码)":                                "车牌号码",
	"The plate as it is read, with its province.": "识别到的车牌号码，带省份简称。",
	"Plate colour (车牌颜色)":                         "车牌颜色",
	"A whole number, the number as a string, or a name; letters in either case. Anything else is sent as -1 (unknown) and counted.": "整数、数字字符串或名称；英文不分大小写。其他值按 -1（未知）发送，并计为可疑。",
	"blue 蓝色":       "蓝色",
	"yellow 黄色":     "黄色",
	"white 白色":      "白色",
	"black 黑色":      "黑色",
	"green 绿色":      "绿色",
	"unknown 未知":    "未知",
	"Car type (车类)": "车类",
	"A whole number, the number as a string, or a name; letters in either case. Anything else is sent as 0 (other) and counted.": "整数、数字字符串或名称；英文不分大小写。其他值按 0（其他）发送，并计为可疑。",
	"temporary 临停车辆":           "临停车辆",
	"monthly 月卡车辆":             "月卡车辆",
	"vip 贵宾车辆(免费车)":            "贵宾车辆(免费车)",
	"stored value 储值车辆":        "储值车辆",
	"other 其他未知":               "其他未知",
	"Car type in words (车类描述)": "车类描述",
	"As the lot calls it.":     "车场自己的叫法。",
	"Time of entry (入场时间)":     "入场时间",
	"When the car came in.":    "车辆入场的时间。",
	"Time of leaving (离场时间)":   "离场时间",
	"When the car left. Before enter_time, or more than 10 minutes after the record's timestamp, it is sent but counted as suspicious.": "车辆离场的时间。早于 enter_time，或" + timeSuspected,
	"Time of the release (操作时间)": "操作时间",
	"When the operator opened the gate. More than 10 minutes after the record's timestamp it is sent but counted as suspicious.": "操作员放行的时间。" + timeSuspected,
	"Operator (操作员)":            "操作员",
	"Who released the car.":     "谁放行了车辆。",
	"Reason (放行原因)":             "放行原因",
	"Why the car was released.": "为什么放行。",

	"Optional text": "选填的文本",
	"At most 1,024 code points, white space around them left out; no U+0000. null and blank count as absent.": "最多 1,024 个字符（码点），首尾的空白不计；不能有 U+0000。null 和空白视为缺失。",
	"Required text": "必填的文本",
	"1 to 1,024 code points, white space around them left out; no U+0000; not blank.": "1 至 1,024 个字符（码点），首尾的空白不计；不能有 U+0000；不能是空白。",
	"absent, or any other number or text":                                             "缺失，或其他任何数字或文本",
	"Time":                                                                            "时间",
	"RFC 3339 with any offset; or 2006-01-02 15:04:05, also with T, in the forwarder's zone (EVENT_TIMEZONE, Asia/Shanghai unless set); either with a fraction after a point, which is cut. Or just 13 digits: Unix milliseconds. Or just 14 digits: yyyyMMddHHmmss in the forwarder's zone. Both as a string or as a number written without sign, point or exponent. No seconds since 1970, no second 60. From 2000-01-01T00:00:00Z to 2099-12-31T23:59:59Z. A local time that comes twice is the first.": "RFC 3339，时差不限；或 2006-01-02 15:04:05，中间也可以是 T，时区为服务的时区（EVENT_TIMEZONE，默认 Asia/Shanghai）；两者的秒都可以带小数，小数部分会被舍去。" +
		"或 13 位数字：Unix 毫秒。或 14 位数字：yyyyMMddHHmmss，时区同上。这两种可以是字符串，也可以是数字，不带正负号、小数点或指数。" +
		"不接受 Unix 秒，不接受第 60 秒。范围是 2000-01-01T00:00:00Z 至 2099-12-31T23:59:59Z。出现两次的本地时间，取第一次。",
	"Text":              "文本",
	"Unix milliseconds": "Unix 毫秒",
	"yyyyMMddHHmmss":    "14 位数字：yyyyMMddHHmmss",
}
