package check

import (
	"fmt"
	"strings"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/mapping"
	"release-forwarder/upstream/credential"
)

// language is one that check speaks; "" is not decided.
type language string

const (
	english language = "en"
	chinese language = "zh"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *language) UnmarshalText(text []byte) error {
	switch given := language(text); given {
	case english, chinese:
		*l = given
		return nil
	}
	return fmt.Errorf("%q is no language that is spoken here; give zh or en", text)
}

// or decides by the environment in POSIX's order, in which the first variable that is set
// counts alone.
func (l language) or(getenv func(string) string) language {
	if l != "" {
		return l
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			if strings.HasPrefix(strings.ToLower(value), "zh") {
				return chinese
			}
			break
		}
	}
	return english
}

// phrase is a text in each language.
type phrase struct{ en, zh string }

func (p phrase) in(l language) string {
	if l == chinese {
		return p.zh
	}
	return p.en
}

func both(en, zh string) phrase { return phrase{en, zh} }

// The words of a report. Names that also stand in logs, metrics and headers (fields, reasons,
// kinds, settings) are the same in both languages.
var (
	wordStandardInput = both("standard input", "标准输入")
	wordColon         = both(": ", "：")
	wordSent          = both("would be sent", "会被发送")
	wordDeadLetter    = both("dead letter", "会成为死信")
	wordNoEvent       = both("holds no event", "没有事件")
	wordIgnoredBy     = both("would be ignored by the profile %s", "会被 profile %s 忽略")
	wordHeld          = both("would be held", "会挂起")
	wordUnlisted      = both("%s does not have the code %s", "对照表 %s 中没有代码 %s")
	wordListed        = both("add the code and the lot's UUID to the file: then the event is sent", "请把代码和车场 UUID 加入对照表，事件随后发送")
	wordProfile       = both("profile", "profile")
	wordNothing       = both("nothing", "无")
	wordNotSent       = both("not sent", "不发送")
	wordHow           = both("how each field is made: release-forwarder check -v", "每个字段的来源：release-forwarder check -v")
	wordSpread        = both("several objects, each over several lines: write each in one line, or each into a .json file of its own",
		"有多个对象，每个都分成多行：请把每个对象写成一行，或分别存为 .json 文件")
	wordTooLarge     = both("larger than 16 MiB, which no record of a lane is: is it the right file?", "大于 16 MiB，车道的消息不会这么大：文件是否正确？")
	wordHeldCount    = both("held", "会被挂起")
	wordSummary      = both("summary of %s events", "%s 个事件的汇总")
	wordDeadCount    = both("dead letters", "会成为死信")
	wordIgnoring     = both("ignored", "会被忽略")
	wordFits         = both("fits", "适用的 profile")
	wordNeverSet     = both("never set", "从未有值的字段")
	wordUnread       = both("not read", "未读取的名称")
	wordMore         = both("%s more", "另有 %s 个")
	wordHiddenNames  = both("%s, named with --reveal", "%s 个，用 --reveal 显示")
	wordLength       = both("(length %s)", "（长度 %s）")
	wordOthers       = both("%d, named with --reveal", "%d 个，用 --reveal 显示")
	wordFutureLive   = both("more than 10 minutes after the record's timestamp: is the lane's clock or zone wrong?", "比消息的时间戳晚 10 分钟以上：车道的时钟或时区是否有误？")
	wordCompared     = both("compared with %s; events: %s", "与 %s 比较；事件数：%s")
	wordSame         = both("same", "相同")
	wordChanged      = both("changed", "字段有变化")
	wordNewlySent    = both("newly sent", "新增发送")
	wordNewlyRefused = both("newly refused", "新增死信")
	wordNewlyIgnored = both("newly ignored", "新增忽略")
	wordAnother      = both("other reason", "死信原因变化")
	wordOrder        = both("order key", "顺序键")
	wordOvertake     = both("while both files run, events of one parking may overtake one another", "两个文件同时运行期间，同一停车流水的事件可能乱序")
	wordExample      = both("example", "示例")
	wordQuoted       = both(`write it in quotes: "%s"`, `请加上引号："%s"`)
	wordMark         = both("%s is no mark of JSON: write %s", "%s 不是 JSON 的标点：请改为半角的 %s")
	wordList         = both("a list: write each of its objects by itself, without [ and ]", "这是列表：请把其中的对象逐个写出，不要 [ 和 ]")
	wordLine         = both("line %d: ", "第 %d 行：")
	wordAlso         = both("also", "其他问题")
	wordThere        = both("there", "位置")
	wordHint         = both("hint", "提示")
	wordIgnored      = both("ignored", "忽略的键")
	wordMeant        = both("%s (did you mean %s?)", "%s（是否应为 %s？）")
	wordServices     = both("the service adds it", "由服务添加")
	wordBrackets     = both("%s (%s)", "%s（%s）")
	wordSuspicious   = both("suspicious", "可疑")
	wordTakes        = both("takes", "可用的值")
	wordTimesLabel   = both("times", "时间格式")
	wordTimes        = both(`"2021-09-02T17:36:46+08:00"; "2021-09-02 17:36:46" or 20210902173646, in %s; 1630575406020 (Unix milliseconds)`,
		`"2021-09-02T17:36:46+08:00"；"2021-09-02 17:36:46" 或 20210902173646（时区 %s）；1630575406020（Unix 毫秒）`)
	wordCredential = both("credential", "凭据")
	wordToSign     = both("string to sign", "待签名串")
	wordSign       = both("sign", "签名")
	wordNext       = both("sign, next", "签名（新密钥）")
	wordSchema     = both("what an event must be: release-forwarder check --schema", "事件的要求：release-forwarder check --lang zh --schema")
)

// detailWords says the phrases of mapping.Details in Chinese; in English they stand for themselves.
var detailWords = map[string]string{
	"no value":                               "没有内容",
	"not a JSON object":                      "不是 JSON 对象",
	"not JSON from here on":                  "从此处起不是合法的 JSON",
	"the value ends too early":               "内容不完整，提前结束",
	"something follows the object":           "对象之后还有其他内容",
	"nested too deep":                        "嵌套过深",
	"not UTF-8, or half of a surrogate pair": "不是 UTF-8，或只有半个代理对",
	"the key is there twice":                 "同一个键出现两次",
	"not a string":                           "不是字符串",
	"a number that is not whole, or not written in digits":            "不是整数，或没有只用数字书写",
	"a code that the mapping file does not have":                      "映射文件中没有这个代码",
	"no profile of the mapping file fits":                             "映射文件中没有适用的 profile",
	"no object where the mapping file has the event":                  "映射文件所指的事件位置上没有对象",
	"does not begin with the five bytes of the Confluent wire format": "开头没有 Confluent 格式的五个字节",
	"neither a string nor a number":                                   "既不是字符串，也不是数字",
	"holds U+0000":                                                    "含有 U+0000",
	"longer than 1,024 code points":                                   "超过 1,024 个字符（码点）",
	"required, but absent, null or blank":                             "必填，但缺失、为 null 或为空白",
	"in none of the forms of a time":                                  "不是可用的时间格式",
	"no such date or time of day":                                     "没有这个日期或时刻",
	"a local time in a gap of the zone":                               "该时区的时钟跳过了这个本地时间",
	"not between 2000-01-01T00:00:00Z and 2099-12-31T23:59:59Z":       "不在 2000-01-01T00:00:00Z 与 2099-12-31T23:59:59Z 之间",
}

var suspicionWords = map[mapping.Suspicion]phrase{
	mapping.Future:            both("more than 10 minutes after now, %s: is the lane's clock or zone wrong?", "比当前时间 %s 晚 10 分钟以上：车道的时钟或时区是否有误？"),
	mapping.LeaveBeforeEnter:  both("before enter_time", "早于 enter_time"),
	mapping.UnknownPlateColor: both("not a colour of the API, sent as -1", "不是接口规定的颜色，按 -1 发送"),
	mapping.UnknownCarType:    both("not a car type of the API, sent as 0", "不是接口规定的车类，按 0 发送"),
}

// looksWords say what a time looks like; %s is the nearest that is taken.
var looksWords = map[examine.Looks]phrase{
	examine.UnixSeconds:      both("looks like Unix seconds: send milliseconds, %s", "像是 Unix 秒：请发送毫秒 %s"),
	examine.UnixMicroseconds: both("looks like Unix microseconds: send milliseconds, %s", "像是 Unix 微秒：请发送毫秒 %s"),
	examine.UnixNanoseconds:  both("looks like Unix nanoseconds: send milliseconds, %s", "像是 Unix 纳秒：请发送毫秒 %s"),
	examine.NotPlainDigits:   both("send digits alone, without sign, point or exponent: %s", "请只发送数字，不带正负号、小数点或指数：%s"),
	examine.DateAlone:        both("a date alone: send the time of day too, as 2021-09-02 17:36:46", "只有日期：请同时发送时刻，如 2021-09-02 17:36:46"),
	examine.OtherSpelling:    both(`send "%s"`, `请改为 "%s"`),
}

var encodingWords = map[examine.Encoding]phrase{
	examine.UTF8BOM: both("begins with a byte order mark (BOM): send UTF-8 without it", "开头有字节顺序标记（BOM）：请发送不带 BOM 的 UTF-8"),
	examine.UTF16:   both("looks like UTF-16: send UTF-8, without a byte order mark (BOM)", "像是 UTF-16：请发送不带 BOM 的 UTF-8"),
	examine.GBK:     both("looks like GBK: send UTF-8", "像是 GBK：请发送 UTF-8"),
}

var credentialWords = map[credential.Source]phrase{
	credential.NoSource: both(session.SourceWords[credential.NoSource], "此车场没有凭据"),
	credential.OwnEntry: both(session.SourceWords[credential.OwnEntry], "UPSTREAM_CREDENTIALS_FILE 中该车场的条目"),
	credential.AnyEntry: both(session.SourceWords[credential.AnyEntry], "UPSTREAM_CREDENTIALS_FILE 中的 *"),
	credential.Fallback: both(session.SourceWords[credential.Fallback], "UPSTREAM_APP_SECRET 或 UPSTREAM_APP_SECRET_FILE"),
}

// faultText is in English what the dead letter would say.
func faultText(e *mapping.Error, lang language) string {
	if lang == english {
		return e.Error()
	}
	text := string(e.Reason)
	if e.Field != "" {
		text += wordColon.zh + e.Field
	}
	text += wordColon.zh + detailWords[e.Detail]
	if e.Offset >= 0 {
		text += fmt.Sprintf("（字节 %d）", e.Offset)
	}
	return text
}
