package upstream_test

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"release-forwarder/upstream"
)

// The example that the platform publishes.
var published = []upstream.Param{
	{Name: "app_id", Value: "op88641899bd20661"},
	{Name: "car_type", Value: "1"},
	{Name: "enter_time", Value: "1563242533431"},
	{Name: "park_uuid", Value: "40e06b24-7320-4a61-8d97-7ebccb364a87"},
	{Name: "plate", Value: "粤B660PP"},
	{Name: "sign_type", Value: "MD5"},
	{Name: "timestamp", Value: "1563242932357"},
}

func TestSignPublishedVector(t *testing.T) {
	const text = "app_id=op88641899bd20661&car_type=1&enter_time=1563242533431&park_uuid=40e06b24-7320-4a61-8d97-7ebccb364a87" +
		"&plate=粤B660PP&sign_type=MD5&timestamp=1563242932357&app_secret=XXX"
	if got := upstream.StringToSign(published, "XXX"); got != text {
		t.Errorf("string to sign\n got %s\nwant %s", got, text)
	}
	if got, want := upstream.Sign(published, "XXX"), "C983693C5F603AEF30514920FA3158FF"; got != want {
		t.Errorf("sign %s, want %s", got, want)
	}
}

func TestStringToSign(t *testing.T) {
	type P = upstream.Param
	for _, c := range []struct {
		name   string
		params []P
		want   string
	}{
		{"out of order", []P{{"b", "2"}, {"a", "1"}}, "a=1&b=2&app_secret=s"},
		{"by bytes, not by letters", []P{{"a_b", "1"}, {"aB", "2"}, {"a", "3"}}, "a=3&aB=2&a_b=1&app_secret=s"},
		{"empty values left out", []P{{"a", ""}, {"b", "2"}, {"c", ""}}, "b=2&app_secret=s"},
		{"0, -1 and a blank are values", []P{{"car_type", "0"}, {"plate_color", "-1"}, {"reason", " "}}, "car_type=0&plate_color=-1&reason= &app_secret=s"},
		{"sign left out", []P{{"sign", "ABC"}, {"z", "1"}}, "z=1&app_secret=s"},
		{"raw values", []P{{"reason", "a&b=c%20+\r\n粤"}}, "reason=a&b=c%20+\r\n粤&app_secret=s"},
		{"nothing to sign", nil, "app_secret=s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(c.params)
			if got := upstream.StringToSign(c.params, "s"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if !slices.Equal(before, c.params) {
				t.Error("the caller's parameters were changed")
			}
		})
	}
}

// A plain implementation, with a map and a join, must give the same signature.
func TestSignAgainstThePlainWay(t *testing.T) {
	plain := func(params map[string]string, secret string) string {
		var parts []string
		for name, value := range params {
			if value != "" && name != "sign" {
				parts = append(parts, name+"="+value)
			}
		}
		sort.Slice(parts, func(i, j int) bool {
			return strings.SplitN(parts[i], "=", 2)[0] < strings.SplitN(parts[j], "=", 2)[0]
		})
		return fmt.Sprintf("%X", md5.Sum([]byte(strings.Join(append(parts, "app_secret="+secret), "&"))))
	}
	random := rand.New(rand.NewPCG(1, 2))
	values := []string{"", "1", "粤B12345", "a=b&c", "  ", "😀", strings.Repeat("长", 400)}
	for range 500 {
		params := map[string]string{}
		for range random.IntN(12) {
			params[fmt.Sprintf("%c%d", 'a'+random.IntN(4), random.IntN(20))] = values[random.IntN(len(values))]
		}
		params["sign"] = values[random.IntN(len(values))]
		var list []upstream.Param // in the map's random order
		for name, value := range params {
			list = append(list, upstream.Param{Name: name, Value: value})
		}
		if got, want := upstream.Sign(list, "geheim"), plain(params, "geheim"); got != want {
			t.Fatalf("%v: %s, want %s", list, got, want)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		upstream.Sign(published, "XXX")
	}
}
