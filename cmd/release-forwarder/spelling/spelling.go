// Package spelling finds the name that a typing error was meant as.
package spelling

// Nearest returns the name that is closest to what was given: at an edit distance of 1, or 2
// for names of 8 bytes and more. Where two are as close it is the first.
func Nearest(given string, names []string) (name string, found bool) {
	const most = 2
	best := most + 1
	for _, n := range names {
		if d := distance(given, n); d < best && (d < most || len(n) >= 8) {
			best, name = d, n
		}
	}
	return name, name != ""
}

// distance counts the insertions, deletions, substitutions and swaps of two
// neighbours that lead from a to b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substituted := last[j-1]
			if a[i-1] != b[j-1] {
				substituted++
			}
			row[j] = min(last[j]+1, row[j-1]+1, substituted)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
