package spelling

import "testing"

func TestDistanceCountsTypingErrors(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "abc", 0},
		{"", "abc", 3},
		{"abc", "ab", 1},
		{"abc", "acb", 1},
		{"abc", "abd", 1},
		{"abcd", "badc", 2},
		{"ca", "abc", 3}, // optimal string alignment edits no part twice
		{"kitten", "sitting", 3},
	} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != got {
			t.Errorf("distance of %q and %q is %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"leave_time", "enter_time", "plate"}
	for given, want := range map[string]string{
		"leave_tme": "leave_time", "laeve_tiem": "leave_time", "entertime": "enter_time", "pate": "plate",
		"date": "", "leavetme_": "", "": "", "x": "",
	} {
		if got, found := Nearest(given, names); got != want || found != (want != "") {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
