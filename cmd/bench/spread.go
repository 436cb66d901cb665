package main

import (
	"fmt"
	"math"
	"slices"
)

// spread is one figure over all rounds.
type spread []float64

func (s spread) sorted() spread {
	s = slices.DeleteFunc(slices.Clone(s), math.IsNaN)
	slices.Sort(s)
	return s
}

// at is the value below which a share of all lie; NaN where there is none.
func (s spread) at(share float64) float64 {
	s = s.sorted()
	if len(s) == 0 {
		return math.NaN()
	}
	return s[min(int(share*float64(len(s))), len(s)-1)]
}

func (s spread) median() float64 { return s.at(0.5) }
func (s spread) least() float64  { return s.at(0) }
func (s spread) most() float64   { return s.at(1) }

// format shows the median, and least to most where there are several.
func (s spread) format(verb string) string {
	if len(s.sorted()) == 0 {
		return "–"
	}
	text := fmt.Sprintf(verb, s.median())
	if least, most := fmt.Sprintf(verb, s.least()), fmt.Sprintf(verb, s.most()); least != most {
		text += " (" + least + "–" + most + ")"
	}
	return text
}

// over is the ratio of two figures round by round.
func (s spread) over(base spread) spread {
	var ratios spread
	for i := range min(len(s), len(base)) {
		ratios = append(ratios, s[i]/base[i])
	}
	return ratios
}

func (s spread) times(factor float64) spread {
	scaled := slices.Clone(s)
	for i := range scaled {
		scaled[i] *= factor
	}
	return scaled
}

// less is the difference of two figures round by round.
func (s spread) less(base spread) spread {
	var differences spread
	for i := range min(len(s), len(base)) {
		differences = append(differences, s[i]-base[i])
	}
	return differences
}
