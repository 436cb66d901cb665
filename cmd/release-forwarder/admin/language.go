package admin

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// language is one the page speaks.
type language int

// The languages; english is what /status.json and a browser that asks for
// neither get.
const (
	english language = iota
	chinese
	languages
)

// tag is the language's name in HTML and HTTP (BCP 47).
func (l language) tag() string { return [languages]string{"en", "zh-CN"}[l] }

// phrase is a text in each language.
type phrase [languages]string

// clock is a time as people read it, in a zone and with its offset; nil: UTC.
func clock(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(cmp.Or(zone, time.UTC)).Format("2006-01-02 15:04:05Z07:00")
}

// span is a duration, as exactly as a person wants to know it.
func (l language) span(d time.Duration) string {
	seconds := int(max(0, d).Seconds())
	minutes, hours := seconds/60, seconds/3600
	switch {
	case minutes == 0:
		return fmt.Sprintf(phrase{"%ds", "%d 秒"}[l], seconds)
	case hours == 0:
		return fmt.Sprintf(phrase{"%dm", "%d 分钟"}[l], minutes)
	case hours < 48:
		return fmt.Sprintf(phrase{"%dh%dm", "%d 小时 %d 分"}[l], hours, minutes%60)
	}
	return fmt.Sprintf(phrase{"%dd%dh", "%d 天 %d 小时"}[l], hours/24, hours%24)
}

// preferred picks the language from a request's Accept-Language (RFC 9110,
// 12.5.4): that with the higher weight, the earlier where they are equal.
// Anything that cannot be read is passed over.
func preferred(accept string) language {
	best, weight := english, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := quality(params)
		if q <= weight {
			continue
		}
		switch primary {
		case "zh":
			best, weight = chinese, q
		case "en", "*":
			best, weight = english, q
		}
	}
	return best
}

func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || q < 0 || q > 1 {
			return 0
		}
		return q
	}
	return 1
}
