package acceptance

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// planted is in every value of an event, of a request and of an answer that may
// not be seen outside the process: nothing the forwarder prints or serves may
// hold it.
const planted = "PLANTED"

// What the scenarios plant besides.
const (
	plantedSecret   = planted + "-app-secret-5f1d"
	plantedPlate    = "粤" + planted
	plantedOperator = "张守密" + planted
	plantedReason   = "设备异常" + planted + "&=%+\n"
	plantedDesc     = "临停" + planted
	plantedQuery    = "token=" + planted
	plantedHint     = "提示" + planted
)

// forbidden are the forms in which a planted value would show.
var forbidden = forms(planted, "粤", "张守密", "设备异常", "临停", "提示", plainPassword, scramPassword)

// forms spells each text as it is, as in a URL, and as in JSON of ASCII alone.
func forms(texts ...string) []string {
	var all []string
	for _, text := range texts {
		ascii := strconv.QuoteToASCII(text)
		all = append(all, text)
		for _, form := range []string{url.QueryEscape(text), ascii[1 : len(ascii)-1]} {
			if form != text {
				all = append(all, form, strings.ToLower(form))
			}
		}
	}
	return all
}

// checkDiscreet fails the test where a text of the forwarder holds something
// planted.
func checkDiscreet(t testing.TB, where, text string) {
	t.Helper()
	for _, word := range forbidden {
		if i := strings.Index(text, word); i >= 0 {
			t.Errorf("the forwarder's %s holds %q: …%s…", where, word, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}
