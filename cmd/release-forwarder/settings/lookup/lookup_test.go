package lookup

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"release-forwarder/mapping"
)

// lotsOf is a file's contents.
func lotsOf(t testing.TB, text string) mapping.Lookup {
	t.Helper()
	l, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestALookupFile(t *testing.T) {
	want := mapping.Lookup{"1042": "P1", "A,1": "P 2", "深圳-1": "P1"}
	for name, text := range map[string]string{
		"plain":            "code,uuid\n1042,P1\n\"A,1\",P 2\n深圳-1,P1\n",
		"as Excel writes":  "\ufeffcode,uuid\r\n1042,P1\r\n\"A,1\",P 2\r\n深圳-1,P1\r\n",
		"no end of a line": "code,uuid\n1042,P1\n\n\"A,1\",\"P 2\"\n深圳-1,P1",
	} {
		if got := lotsOf(t, text); !maps.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := lotsOf(t, "code,uuid\n"+rows(maxLots)); len(got) != maxLots {
		t.Errorf("%d lots", len(got))
	}
}

// rows are so many lots.
func rows(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(strings.Repeat("x", i/1000) + string(rune('一'+i%1000)) + ",P\n")
	}
	return text.String()
}

// Each mistake is named with its place, and nothing of the file is repeated.
func TestMistakesOfALookupFile(t *testing.T) {
	const head = "code,uuid\n"
	const noHead = "line 1, column 1: the first line must be code,uuid, with a comma between the columns"
	for name, c := range map[string]struct{ text, want string }{
		"empty":               {"", "line 1, column 1: no lot in it: the first line must be code,uuid, and each further one has a lot"},
		"no lot":              {"\ufeff" + head + "\n", "line 1, column 1: no lot in it: the first line must be code,uuid, and each further one has a lot"},
		"no first line":       {"1042,P1\n", noHead},
		"the other way round": {"park_uuid,code\nP1,1042\n", noHead},
		"semicolons":          {"code;park_uuid\n1042;P1\n", noHead},
		"UTF-16":              {"\xff\xfec\x00o\x00", noHead},
		"columns":             {head + "1042,P1,x\n\n1043\n", "line 2, column 1: the number of columns is 3; it must be 2; line 4, column 1: the number of columns is 1; it must be 2"},
		"empty cells":         {head + "1042,\n,P1\n \t,P1\n", "line 2, column 6: the cell is empty; line 3, column 1: the cell is empty; line 4, column 1: the cell is empty"},
		"white space":         {head + "1042, P1\n1043\u3000,P1\n", "line 2, column 6: white space around the text; line 3, column 1: white space around the text"},
		"twice":               {head + "1042,P1\n1043,P2\n1042,P1\n", "line 4, column 1: the code is there twice, first in line 2"},
		"GBK":                 {head + "\xc9\xee\xdb\xda,P1\n", "line 2, column 1: not UTF-8; save the file as CSV UTF-8"},
		"U+0000":              {head + "1\x00,P1\n", "line 2, column 1: longer than 1,024 code points, or with U+0000"},
		"long":                {head + "1," + strings.Repeat("车", 1025) + "\n", "line 2, column 3: longer than 1,024 code points, or with U+0000"},
		"an open quote":       {head + "\"1042,P1\n", `line 2, column 10: a quote that cannot be here: quotes stand around a whole cell, and "" is one within`},
		"a quote within":      {head + "10\"42,P1\n", `line 2, column 3: a quote that cannot be here: quotes stand around a whole cell, and "" is one within`},
		"too large":           {head + strings.Repeat("\n", maxBytes), "line 1, column 1: the file is larger than 1 MiB"},
		"too many":            {head + rows(maxLots+1), "line 20002, column 1: more than 20,000 lots"},
	} {
		_, err := Parse([]byte(c.text))
		if e, is := errors.AsType[*mapping.FileError](err); !is || e.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
	_, err := Parse([]byte(head + strings.Repeat("x\n", 1000)))
	if e, is := errors.AsType[*mapping.FileError](err); !is || len(e.Mistakes) != maxMistakes {
		t.Errorf("of 1,000 mistakes: %v", err)
	}
}
