package mapping

import (
	"strings"
	"testing"
)

// goodTimes are times in JSON and as they are sent.
var goodTimes = []struct{ name, zone, json, want string }{
	{"UTC", "Asia/Shanghai", `"2023-03-21T15:59:59Z"`, "2023-03-21T15:59:59Z"},
	{"small t and z", "Asia/Shanghai", `"2023-03-21t15:59:59z"`, "2023-03-21T15:59:59Z"},
	{"China's offset", "America/New_York", `"2021-09-02T17:36:46+08:00"`, "2021-09-02T09:36:46Z"},
	{"an offset to the west", "Asia/Shanghai", `"2021-09-02T23:36:46-03:30"`, "2021-09-03T03:06:46Z"},
	{"the unknown offset of RFC 3339", "Asia/Shanghai", `"2021-09-02T09:36:46-00:00"`, "2021-09-02T09:36:46Z"},
	{"the largest offsets", "Asia/Shanghai", `"2021-09-02T09:36:46+23:59"`, "2021-09-01T09:37:46Z"},
	{"a local time", "Asia/Shanghai", `"2021-09-02 17:36:46"`, "2021-09-02T09:36:46Z"},
	{"a local time with T", "Asia/Shanghai", `"2021-09-02T17:36:46"`, "2021-09-02T09:36:46Z"},
	{"a local time elsewhere", "America/New_York", `"2021-09-02 05:36:46"`, "2021-09-02T09:36:46Z"},
	{"milliseconds are cut", "Asia/Shanghai", `"2021-09-02T09:36:46.020Z"`, "2021-09-02T09:36:46Z"},
	{"cut, not rounded", "Asia/Shanghai", `"2021-12-31T23:59:59.999999999999Z"`, "2021-12-31T23:59:59Z"},
	{"a fraction before an offset", "Asia/Shanghai", `"2021-09-02T17:36:46.5+08:00"`, "2021-09-02T09:36:46Z"},
	{"a fraction of a local time", "Asia/Shanghai", `"2021-09-02 17:36:46.9"`, "2021-09-02T09:36:46Z"},
	{"a fraction of 1,004 digits", "Asia/Shanghai", `"2021-09-02 17:36:46.` + strings.Repeat("9", 1004) + `"`, "2021-09-02T09:36:46Z"},
	{"milliseconds as a number", "Asia/Shanghai", `1630575406020`, "2021-09-02T09:36:46Z"},
	{"milliseconds as a string", "Asia/Shanghai", `"1630575406999"`, "2021-09-02T09:36:46Z"},
	{"13 digits of which the first is 0", "Asia/Shanghai", `"0946684800000"`, "2000-01-01T00:00:00Z"},
	{"14 digits as a number", "Asia/Shanghai", `20210902173646`, "2021-09-02T09:36:46Z"},
	{"14 digits as a string", "Asia/Shanghai", `"20210902173646"`, "2021-09-02T09:36:46Z"},
	{"white space around", "Asia/Shanghai", `" \u3000\t2021-09-02 17:36:46\n"`, "2021-09-02T09:36:46Z"},
	{"white space around digits", "Asia/Shanghai", `" 1630575406020 "`, "2021-09-02T09:36:46Z"},
	{"escapes", "Asia/Shanghai", `"\u0032021-09-02 17:36:46"`, "2021-09-02T09:36:46Z"},
	{"a leap day", "Asia/Shanghai", `"2024-02-29 12:00:00"`, "2024-02-29T04:00:00Z"},
	{"the leap day of 2000", "Asia/Shanghai", `20000229120000`, "2000-02-29T04:00:00Z"},

	{"the first second", "Asia/Shanghai", `"2000-01-01T00:00:00Z"`, "2000-01-01T00:00:00Z"},
	{"the first second, local", "Asia/Shanghai", `"2000-01-01 08:00:00"`, "2000-01-01T00:00:00Z"},
	{"the first second, still 1999 there", "America/New_York", `19991231190000`, "2000-01-01T00:00:00Z"},
	{"the last second", "Asia/Shanghai", `"2099-12-31T23:59:59.999Z"`, "2099-12-31T23:59:59Z"},
	{"the last second in milliseconds", "Asia/Shanghai", `4102444799999`, "2099-12-31T23:59:59Z"},
	{"the last second, already 2100 there", "Asia/Shanghai", `"2100-01-01T07:59:59+08:00"`, "2099-12-31T23:59:59Z"},
	{"the last second, local", "Asia/Shanghai", `21000101075959`, "2099-12-31T23:59:59Z"},

	{"before a gap", "America/New_York", `"2024-03-10 01:59:59"`, "2024-03-10T06:59:59Z"},
	{"after a gap", "America/New_York", `"2024-03-10 03:00:00"`, "2024-03-10T07:00:00Z"},
	{"before the hour that comes twice", "America/New_York", `"2024-11-03 00:59:59"`, "2024-11-03T04:59:59Z"},
	{"the hour that comes twice begins", "America/New_York", `"2024-11-03 01:00:00"`, "2024-11-03T05:00:00Z"},
	{"the hour that comes twice ends", "America/New_York", `20241103015959`, "2024-11-03T05:59:59Z"},
	{"after the hour that comes twice", "America/New_York", `"2024-11-03 02:00:00"`, "2024-11-03T07:00:00Z"},
	{"twice, far ahead, where rules and not tables say so", "America/New_York", `"2098-11-02 01:30:00"`, "2098-11-02T05:30:00Z"},
	{"the last day of a leap year, where rules say so", "America/New_York", `"2040-12-31 10:00:00"`, "2040-12-31T15:00:00Z"},
	{"twice, on the other half of the earth", "Australia/Sydney", `"2024-04-07 02:30:00"`, "2024-04-06T15:30:00Z"},
	{"twice, half an hour", "Australia/Lord_Howe", `"2024-04-07 01:45:00"`, "2024-04-06T14:45:00Z"},
	{"a gap elsewhere", "Asia/Shanghai", `"2024-03-10 02:30:00"`, "2024-03-09T18:30:00Z"},
	{"before a day that was skipped", "Pacific/Apia", `"2011-12-29 23:59:59"`, "2011-12-30T09:59:59Z"},
	{"after a day that was skipped", "Pacific/Apia", `"2011-12-31 00:00:00"`, "2011-12-30T10:00:00Z"},
}

func TestTimes(t *testing.T) {
	for _, c := range goodTimes {
		t.Run(c.name, func(t *testing.T) {
			m := mapperIn(t, c.zone)
			for _, name := range []string{"enter_time", "leave_time", "operate_time"} {
				r := mustMap(t, m, event(`"`+name+`":`+c.json))
				if sent := r.sent[named(name)]; sent != c.want {
					t.Errorf("%s: %s, want %s", name, sent, c.want)
				}
			}
		})
	}
}

// badTimes are times in JSON and why they are refused.
var badTimes = []struct{ name, zone, json, detail string }{
	{"no time", "Asia/Shanghai", `"x"`, noTimeForm},
	{"a date alone", "Asia/Shanghai", `"2021-09-02"`, noTimeForm},
	{"no seconds", "Asia/Shanghai", `"2021-09-02 17:36"`, noTimeForm},
	{"slashes", "Asia/Shanghai", `"2021/09/02 17:36:46"`, noTimeForm},
	{"points for colons", "Asia/Shanghai", `"2021-09-02 17.36.46"`, noTimeForm},
	{"a letter for a digit", "Asia/Shanghai", `"2021-09-02 17:36:4x"`, noTimeForm},
	{"one digit too few", "Asia/Shanghai", `"2021-9-02 17:36:46"`, noTimeForm},
	{"five digits of a year", "Asia/Shanghai", `"02021-09-02 17:36:46"`, noTimeForm},
	{"two spaces", "Asia/Shanghai", `"2021-09-02  17:36:46"`, noTimeForm},
	{"a space before the offset", "Asia/Shanghai", `"2021-09-02T17:36:46 +08:00"`, noTimeForm},
	{"a space in the middle and an offset", "Asia/Shanghai", `"2021-09-02 17:36:46+08:00"`, noTimeForm},
	{"a space in the middle and Z", "Asia/Shanghai", `"2021-09-02 17:36:46Z"`, noTimeForm},
	{"an offset without colon", "Asia/Shanghai", `"2021-09-02T17:36:46+0800"`, noTimeForm},
	{"an offset of hours", "Asia/Shanghai", `"2021-09-02T17:36:46+08"`, noTimeForm},
	{"an offset of 24 hours", "Asia/Shanghai", `"2021-09-02T17:36:46+24:00"`, noTimeForm},
	{"an offset of 60 minutes", "Asia/Shanghai", `"2021-09-02T17:36:46+08:60"`, noTimeForm},
	{"an offset without sign", "Asia/Shanghai", `"2021-09-02T17:36:46 08:00"`, noTimeForm},
	{"an offset with a real minus", "Asia/Shanghai", `"2021-09-02T17:36:46−08:00"`, noTimeForm},
	{"a zone by name", "Asia/Shanghai", `"2021-09-02T17:36:46CST"`, noTimeForm},
	{"a point without digits", "Asia/Shanghai", `"2021-09-02T17:36:46.Z"`, noTimeForm},
	{"a point at the end", "Asia/Shanghai", `"2021-09-02T17:36:46."`, noTimeForm},
	{"a fraction after a comma", "Asia/Shanghai", `"2021-09-02T17:36:46,020Z"`, noTimeForm},
	{"14 digits with a fraction", "Asia/Shanghai", `"20210902173646.020"`, noTimeForm},
	{"14 digits with an offset", "Asia/Shanghai", `"20210902173646+08:00"`, noTimeForm},
	{"14 digits and Z", "Asia/Shanghai", `"20210902173646Z"`, noTimeForm},
	{"full-width digits", "Asia/Shanghai", `"２０２１０９０２１７３６４６"`, noTimeForm},

	{"seconds as a number", "Asia/Shanghai", `1630575406`, noTimeForm},
	{"seconds as a string", "Asia/Shanghai", `"1630575406"`, noTimeForm},
	{"12 digits", "Asia/Shanghai", `946684800000`, noTimeForm},
	{"15 digits", "Asia/Shanghai", `163057540602000`, noTimeForm},
	{"0", "Asia/Shanghai", `0`, noTimeForm},
	{"a number with a point", "Asia/Shanghai", `1630575406020.0`, noTimeForm},
	{"a number with a point, 13 bytes", "Asia/Shanghai", `16305754060.5`, noTimeForm},
	{"a number with an exponent", "Asia/Shanghai", `1.63057540602e12`, noTimeForm},
	{"a number with an exponent, 13 bytes", "Asia/Shanghai", `16305754060e2`, noTimeForm},
	{"a negative number", "Asia/Shanghai", `-1630575406020`, noTimeForm},
	{"a negative number, 13 bytes", "Asia/Shanghai", `-163057540602`, noTimeForm},
	{"a plus sign", "Asia/Shanghai", `"+1630575406020"`, noTimeForm},
	{"a string with a point", "Asia/Shanghai", `"1630575406020.5"`, noTimeForm},

	{"second 60", "Asia/Shanghai", `"2016-12-31T23:59:60Z"`, noSuchTime},
	{"second 60 in 14 digits", "Asia/Shanghai", `20170101075960`, noSuchTime},
	{"minute 60", "Asia/Shanghai", `"2021-09-02T17:60:00Z"`, noSuchTime},
	{"hour 24", "Asia/Shanghai", `"2021-09-02T24:00:00Z"`, noSuchTime},
	{"day 0", "Asia/Shanghai", `"2021-09-00T17:00:00Z"`, noSuchTime},
	{"day 32", "Asia/Shanghai", `"2021-08-32T17:00:00Z"`, noSuchTime},
	{"month 0", "Asia/Shanghai", `"2021-00-02T17:00:00Z"`, noSuchTime},
	{"month 13", "Asia/Shanghai", `20211302170000`, noSuchTime},
	{"September 31st", "Asia/Shanghai", `"2021-09-31 17:00:00"`, noSuchTime},
	{"February 30th", "Asia/Shanghai", `"2024-02-30T17:00:00Z"`, noSuchTime},
	{"February 29th of 2023", "Asia/Shanghai", `20230229170000`, noSuchTime},
	{"all zeros", "Asia/Shanghai", `"0000-00-00 00:00:00"`, noSuchTime},

	{"a second too early", "Asia/Shanghai", `"1999-12-31T23:59:59.999Z"`, outOfBounds},
	{"a second too early, local", "Asia/Shanghai", `"2000-01-01 07:59:59"`, outOfBounds},
	{"too early by its offset", "Asia/Shanghai", `"2000-01-01T00:00:00+00:01"`, outOfBounds},
	{"too early in milliseconds", "Asia/Shanghai", `"0946684799999"`, outOfBounds},
	{"a second too late", "Asia/Shanghai", `"2100-01-01T00:00:00Z"`, outOfBounds},
	{"a second too late, local", "Asia/Shanghai", `21000101080000`, outOfBounds},
	{"too late by its offset", "Asia/Shanghai", `"2099-12-31T23:59:59-00:01"`, outOfBounds},
	{"too late in milliseconds", "Asia/Shanghai", `4102444800000`, outOfBounds},
	{"a day too early as a number", "Asia/Shanghai", `19991230235959`, outOfBounds},
	{"a day too late as a number", "Asia/Shanghai", `21000102000000`, outOfBounds},
	{"a day too early", "Asia/Shanghai", `"1999-12-30 23:59:59"`, outOfBounds},
	{"a day too late", "Asia/Shanghai", `"21000102000000"`, outOfBounds},
	{"the last day of a leap year, far ahead", "America/New_York", `26161231075900`, outOfBounds},
	{"the year 9999", "Asia/Shanghai", `"9999-12-31T23:59:59Z"`, outOfBounds},
	{"the year 0", "Asia/Shanghai", `"0000-01-01T00:00:00Z"`, outOfBounds},
	{"microseconds cut to 14 digits", "Asia/Shanghai", `"16305754060200"`, noSuchTime},

	{"a gap begins", "America/New_York", `"2024-03-10 02:00:00"`, gapTime},
	{"a gap ends", "America/New_York", `20240310025959`, gapTime},
	{"a gap far ahead", "America/New_York", `"2098-03-09T02:30:00"`, gapTime},
	{"a gap of half an hour", "Australia/Lord_Howe", `"2024-10-06 02:15:00"`, gapTime},
	{"a day that was skipped", "Pacific/Apia", `"2011-12-30 12:00:00"`, gapTime},
}

func TestBadTimes(t *testing.T) {
	for _, c := range badTimes {
		t.Run(c.name, func(t *testing.T) {
			m := mapperIn(t, c.zone)
			for _, name := range []string{"enter_time", "leave_time", "operate_time"} {
				e := refusal(t, m, event(`"`+name+`":`+c.json))
				if e.Reason != BadTime || e.Field != name || e.Detail != c.detail {
					t.Errorf("%v, want %s", e, c.detail)
				}
			}
		})
	}
}
