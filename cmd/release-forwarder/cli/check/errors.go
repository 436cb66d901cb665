package check

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/release-forwarder/settings"
)

// Refusal gives the lines that say why kong refused a command line: in Chinese where check
// would speak it, and no command is named or check is.
func Refusal(err error, args []string) []string {
	said, help := language("").or(os.Getenv), `"release-forwarder --help" lists the commands`
	for i, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		if name != "--lang" {
			continue
		}
		if value == "" && i+1 < len(args) {
			value = args[i+1]
		}
		_ = said.UnmarshalText([]byte(value)) // of another the error tells
	}
	if said == chinese && !namesAnother(err) {
		return []string{said.told(err).Error(), `"release-forwarder check --lang zh --help" 列出全部选项`}
	}
	return []string{err.Error(), help}
}

// namesAnother reports whether a refused line names a command that is not check.
func namesAnother(err error) bool {
	refused, is := errors.AsType[*kong.ParseError](err)
	return is && refused.Context != nil && slices.ContainsFunc(refused.Context.Path, func(p *kong.Path) bool {
		return p.Command != nil && p.Command.Name != "check"
	})
}

// told says an error in l. What has no words in errorWords stays as it is.
func (l language) told(err error) error {
	if err == nil || l != chinese {
		return err
	}
	wrong, is := errors.AsType[*settings.Invalid](err)
	if !is {
		return toldError{inChinese(err.Error()), err}
	}
	said := new(settings.Invalid)
	for _, w := range wrong.Settings {
		text := inChinese(w.Text)
		if w.Near != "" {
			text = fmt.Sprintf("没有这个设置；是否应为 %s？%s", w.Near, text)
		}
		said.Settings = append(said.Settings, settings.Wrong{Name: w.Name, Text: text})
	}
	return said
}

// toldError is an error in other words.
type toldError struct {
	text string
	err  error
}

func (e toldError) Error() string { return e.text }
func (e toldError) Unwrap() error { return e.err }

// inChinese says a text of errorWords in Chinese, and so what it holds.
func inChinese(text string) string {
	for _, known := range errorWords {
		found := known.pattern.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		said := known.zh
		for _, held := range found[1:] {
			said = strings.Replace(said, "%s", inChinese(held), 1)
		}
		return said
	}
	return text
}

// errorWord is an error's text in both languages. %s is what it holds, in the same order, and
// … what Chinese leaves out.
type errorWord struct {
	phrase
	pattern *regexp.Regexp // of the English text
}

func told(en, zh string) errorWord {
	pattern := strings.NewReplacer("%s", "(.+?)", "…", ".+?").Replace(regexp.QuoteMeta(en))
	return errorWord{both(en, zh), regexp.MustCompile("^(?s:" + pattern + ")$")}
}

// errorWords are the texts of the errors that check can end with. The first that fits counts.
var errorWords = slices.Concat(kongWords, settingsWords, systemWords)

// kongWords are those of the command line.
var kongWords = []errorWord{
	told("%s, did you mean one of %s?", "%s；是否应为其中之一：%s？"),
	told("%s, did you mean %s?", "%s；是否应为 %s？"),
	told("unknown flag %s", "没有选项 %s"),
	told("unexpected argument %s", "没有命令 %s"),
	told(`%s: expected … value but got "EOL" (<EOL>)`, "%s：缺少值"),
	told(`%s: expected … value but got %s (…); perhaps try …?`, "%s：缺少值，后面是选项 %s"),
	told("%s: bool value must be true, 1, yes, false, 0 or no but got %s", "%s：值只能是 true 或 false，不能是 %s"),
	told("%s: %s is no language that is spoken here; give zh or en", "%s：没有语言 %s；请用 zh 或 en"),
	told("--from-topic: leave out FILE, --at, --topic, --header and --key; a record has its own", "--from-topic：请去掉文件、--at、--topic、--header 和 --key；消息有自己的这些内容"),
	told("--last: give 1 or more", "--last：请给出 1 或更大的数"),
	told("%s: expected a valid 64 bit int but got %s", "%s：应为整数，不能是 %s"),
	told("%s: %s is no time; give RFC 3339 as 2026-01-02T15:04:05Z, a date as 2026-01-02 (UTC), or how long ago as 24h or 7d",
		"%s：%s 不是时间；请给出 RFC 3339（如 2026-01-02T15:04:05Z）、日期（如 2026-01-02，UTC），或多久以前（如 24h、7d）"),
}

// settingsWords are those of package settings, behind the setting's name.
var settingsWords = []errorWord{
	told("is not a time zone; give an IANA name such as Asia/Shanghai or UTC", "不是时区；请给出 IANA 名称，如 Asia/Shanghai 或 UTC"),
	told("entry %s is not a field of an event; there are %s", "第 %s 项不是事件的字段；字段有 %s"),
	told("leaves out %s, which the platform demands; name it too", "缺少平台要求的 %s；请加上"),
	told("is set and so is %s; unset one", "与 %s 同时设置；请只设置其中一个"),
	told("the file that it names cannot be read (%s); is it mounted and readable?", "无法读取它指定的文件（%s）；文件是否已挂载、可读？"),
	told("the file is blank; write the secret into it", "文件是空白的；请写入密钥"),
	told("the file holds more than two lines; write the secret in force and the next one into it", "文件超过两行；请只写入当前密钥和下一个密钥"),
	told("the file is larger than 16 MiB; is it the right one?", "文件大于 16 MiB；是否指定错了？"),
	told("the file is not %s; look at byte %s", "文件的格式不是 %s；请看字节 %s"),
	told("the file names no lot; write at least one, or * for all", "文件中没有车场；请至少写一个，或用 * 表示所有车场"),
	told("a lot's name is blank; write its park_uuid, or * for all", "有车场的名称是空白的；请写它的 park_uuid，或用 * 表示所有车场"),
	told("the lot %s is there twice; keep one", "车场 %s 出现两次；请只保留一个"),
	told("a lot's name %s", "有车场的名称%s"),
	told("the lot %s %s", "车场 %s %s"),
	told("has a wrong %s: it %s", "的 %s 有误：它%s"),
	told("has no app_secret; write it", "没有 app_secret；请写上"),
	told("the file %s", "文件%s"),
	told("is UTF-16; save it as UTF-8", "是 UTF-16；请以 UTF-8 保存"),
	told("is not UTF-8; look at byte %s (the first is 0)", "不是 UTF-8；请看字节 %s（从 0 开始）"),
	told("holds more than one line, with a line end at byte %s (the first is 0)", "超过一行：字节 %s（从 0 开始）是换行"),
	told("holds %s at byte %s (the first is 0), which is invisible; remove it", "含有不可见字符 %s（字节 %s，从 0 开始）；请删除"),
	told("A byte order mark is before its name", "名称前面有字节顺序标记（BOM）"),
}

// systemWords are those of files and outputs. Windows has its own.
var systemWords = []errorWord{
	told("standard input: %s", "标准输入：%s"),
	told("the output cannot be written: %s", "无法写出输出：%s"),
	told("stopped as asked", "已按要求停止"),
	told("open %s: %s", "%s：无法读取：%s"),
	told("read %s: %s", "%s：无法读取：%s"),
	told("write %s: %s", "%s：%s"),
	told("no such file or directory", "没有这个文件"),
	told("The system cannot find the … specified.", "没有这个文件"),
	told("permission denied", "没有权限"),
	told("Access is denied.", "没有权限"),
	told("is a directory", "是一个文件夹"),
	told("no space left on device", "磁盘已满"),
	told("There is not enough space on the disk.", "磁盘已满"),
}
