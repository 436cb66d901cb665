package check

import (
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// BeforeReset implements kong's hook, which runs before that of --help: in Chinese the whole
// help is a text of its own, since kong's own words are English.
func (c *Command) BeforeReset(line *kong.Context) error {
	lang, help := c.Lang, false
	for _, part := range line.Path {
		if part.Flag == nil {
			continue
		}
		switch part.Flag.Name {
		case "help":
			help = true
		case "lang":
			lang, _ = line.FlagValue(part.Flag).(language)
		}
	}
	if !help || lang.or(os.Getenv) != chinese {
		return nil
	}
	if _, err := io.WriteString(line.Stdout, chineseHelp); err != nil {
		return fmt.Errorf("the output cannot be written: %w", err)
	}
	line.Exit(0)
	return nil
}

// chineseHelp says what Help, the flags' help and kong say in English. No line is wider
// than 80 columns; a Chinese character takes two.
const chineseHelp = `用法：release-forwarder check [<文件> ...] [选项]

检查事件：说明每个事件会怎样，不发送任何内容。

事件合格时，打印将要发出的请求：各参数、待签名串（密钥不显示）；
设置了密钥时还有签名。事件不合格时，说明它为什么会成为死信：
先是原因，然后是其他全部问题和提示。两种情况都会列出被忽略的键、
这些键可能本应是哪个字段，以及可疑的时间和代码。

一行是一个值。对象从第一行开始、在后面的行结束时，整个输入是一个值。
文件名以 .json 结尾时，整个文件是一个值。有多个事件时，最后是汇总：
会被发送、会成为死信、会被忽略的各有多少，各 profile 适用于多少事件，
哪些字段从未有值，哪些名称没有被读取；可能是数据的名称显示为 *。

文本含有换行或不可见字符时，放在引号中并转义显示，如 "a\nb"；
引号中 \\ 表示反斜杠，\" 表示引号。

退出码：0 所有事件都可以发送或会被忽略；1 有事件会成为死信、没有事件，或
有内容无法读取；2 设置有误，或 --against 的文件有误。用 --against 时，
如果有事件按该文件会发送、现在不会发送，退出码为 1；其他变化不影响。

本命令只用到以下设置，但都不是必需的：EVENT_TIMEZONE、
EVENT_REQUIRED_FIELDS、UPSTREAM_APP_ID、UPSTREAM_APP_SECRET、
UPSTREAM_APP_SECRET_FILE、UPSTREAM_CREDENTIALS_FILE、MAPPING_FILE。
设置了 MAPPING_FILE 时按该映射文件检查；文件有误时，逐条说明行号和列号。
消息的主题、消息头和键由 --topic、--header、--key 给出。

用 --from-topic 时，按 KAFKA_ 设置读取 KAFKA_TOPIC 中最后的消息，不加入
消费组，不改变任何内容；用户需要该主题的 Read 权限。不加 --reveal 时，
只显示映射出的字段，车牌、操作员和自由文本只显示首字和长度，其他内容
只显示长度。判断时以消息的时间戳为当前时间；重放的消息按其事件最初所在
的主题判断。

用 --against 时，不逐个打印事件，而是统计与 FILE 相比有哪些变化：字段
变化、新增死信、新增忽略、新增发送，每种最多显示 3 个示例。

它还会说明事件所属车场使用哪个凭据。

示例（Example）：

    release-forwarder check --lang zh event.json

从标准输入读取；打印事件的 JSON Schema：

    echo '{"park_uuid":"p1","flow_no":"f1","parking_serial":"s1","plate":"粤B12345"}' | release-forwarder check --lang zh
    release-forwarder check --lang zh --schema > event.schema.json

新的映射文件会给线上的主题带来哪些变化：

    MAPPING_FILE=b.yaml release-forwarder check --from-topic --against a.yaml

参数：
  [<文件> ...]        要读取的文件。不给出时读取标准输入。

选项：
  -h, --help          显示本帮助。
      --at=TIME       判断时间是否在未来时，以 TIME 为当前时间：RFC 3339、
                      日期（UTC），或多久以前，如 24h、7d。
      --lang=zh|en    输出的语言。不给出时，由 LC_ALL、LC_MESSAGES、LANG 中
                      第一个已设置的变量决定。
      --json          每个事件输出一个 JSON 对象；有多个事件时，最后是汇总。
      --schema        打印事件的 JSON Schema，然后退出。
      --against=FILE  与另一个映射文件（或 built-in，即内置约定）比较：统计
                      变化，并给出示例。
      --from-topic    检查 KAFKA_TOPIC 中最后的消息，不加入消费组。只显示会成为
                      死信的；加 -v 显示全部。
      --last=N        与 --from-topic 一起用：N 条消息，各分区平分
                      （默认 1000）。
      --reveal        线上消息和示例中的车牌、操作员、自由文本和未知名称
                      按原样显示。
      --topic=NAME    假定事件在此主题中（用于 when: topic）。
      --header=NAME=VALUE
                      假定每条消息都有此消息头。可给出多次。
      --key=TEXT      假定每条消息都有此键。
  -v, --verbose       逐个字段显示来源、所见的值、规则和结果。
      --print-mapping 打印内置约定的映射文件，然后退出。
      --mapping-schema
                      打印映射文件的 JSON Schema，然后退出。
`
