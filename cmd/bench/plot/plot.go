// Package plot draws simple charts as SVG: bars in groups and lines over an axis,
// with a legend and a scale. The text is black on white, so that the picture reads
// the same in every theme.
package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Bar is one value with its spread; one that is NaN is left out.
type Bar struct{ Value, Least, Most float64 }

// Group is the bars that stand together, in the order of the legend.
type Group struct {
	Label string
	Bars  []Bar
}

// Line is one series.
type Line struct {
	Name string
	X, Y []float64 // as long as one another; points that are NaN are left out
}

// The size of a chart and of the room around its field, in pixels.
const (
	width, height            = 860, 380
	left, right, top, bottom = 70, 16, 64, 52
)

// colours tell series apart for people who cannot tell red from green, too (Okabe
// and Ito's palette).
var colours = []string{"#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000"}

func colour(i int) string { return colours[i%len(colours)] }

// canvas is a chart under way.
type canvas struct {
	strings.Builder
	x, y scale
}

// scale maps values onto pixels, by their logarithm if log.
type scale struct {
	least, most float64
	from, to    float64
	log         bool
}

func (s scale) at(v float64) float64 {
	share := (v - s.least) / (s.most - s.least)
	if s.log {
		share = math.Log(max(v, s.least)/s.least) / math.Log(s.most/s.least)
	}
	return s.from + share*(s.to-s.from)
}

// ticks are round values from least to most.
func (s scale) ticks() (values []float64) {
	if s.log {
		for v := math.Pow(10, math.Floor(math.Log10(s.least))); v <= s.most*1.001; v *= 10 {
			if v >= s.least*0.999 {
				values = append(values, v)
			}
		}
		return values
	}
	step := math.Pow(10, math.Floor(math.Log10((s.most-s.least)/4)))
	for _, factor := range []float64{5, 2} {
		if step*factor <= (s.most-s.least)/4 {
			step *= factor
			break
		}
	}
	for v := math.Ceil(s.least/step) * step; v <= s.most*1.001; v += step {
		values = append(values, v)
	}
	return values
}

func newCanvas(title, unit string, names []string) *canvas {
	c := &canvas{}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(c, `<title>%s</title>`+"\n"+`<rect width="100%%" height="100%%" fill="#fff"/>`+"\n", html.EscapeString(title))
	c.text(left, 20, "start", title, `font-size="15" font-weight="bold"`)
	c.text(left-8, top-14, "end", unit, "")
	at := float64(left)
	for i, name := range names {
		fmt.Fprintf(c, `<rect x="%.0f" y="33" width="10" height="10" fill="%s"/>`+"\n", at, colour(i))
		c.text(at+14, 42, "start", name, "")
		at += 34 + 6.5*float64(len([]rune(name)))
	}
	return c
}

func (c *canvas) text(x, y float64, anchor, text, more string) {
	if more != "" {
		more = " " + more
	}
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(text))
}

// grid draws the lines of the values' scale.
func (c *canvas) grid() {
	for _, v := range c.y.ticks() {
		y := c.y.at(v)
		fmt.Fprintf(c, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", left, width-right, y, y)
		c.text(left-8, y+4, "end", number(v), "")
	}
	fmt.Fprintf(c, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#000"/>`+"\n", left, width-right, height-bottom, height-bottom)
}

func number(v float64) string {
	if math.Abs(v) >= 10000 {
		return fmt.Sprintf("%gk", math.Round(v/100)/10)
	}
	return fmt.Sprintf("%g", math.Round(v*1000)/1000)
}

func (c *canvas) end() string { c.WriteString("</svg>\n"); return c.String() }

// Bars draws groups of bars from 0 on. A thin line shows each bar's spread.
func Bars(title, unit string, names []string, groups []Group) string {
	c := newCanvas(title, unit, names)
	most := 0.0
	for _, g := range groups {
		for _, b := range g.Bars {
			most = nanMax(most, b.Value, b.Most)
		}
	}
	c.y = scale{0, nonZero(most) * 1.05, height - bottom, top, false}
	c.grid()
	room := float64(width-left-right) / float64(max(1, len(groups)))
	for i, g := range groups {
		each := room * 0.8 / float64(max(1, len(g.Bars)))
		begin := left + room*(float64(i)+0.1)
		for j, b := range g.Bars {
			if math.IsNaN(b.Value) {
				continue
			}
			x, y := begin+each*float64(j), c.y.at(b.Value)
			fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, each*0.9, height-bottom-y, colour(j))
			fmt.Fprintf(c, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#000"/>`+"\n", x+each*0.45, x+each*0.45, c.y.at(b.Least), c.y.at(b.Most))
		}
		for row, label := range strings.Split(g.Label, "\n") {
			c.text(begin+room*0.4, float64(height-bottom+18+14*row), "middle", label, "")
		}
	}
	return c.end()
}

// Lines draws series over an axis. With log, the values stand by their logarithm.
func Lines(title, unit, axis string, log bool, lines []Line) string {
	names := make([]string, len(lines))
	x, y := scale{math.Inf(1), math.Inf(-1), left, width - right, false}, scale{math.Inf(1), 0, height - bottom, top, log}
	for i, l := range lines {
		names[i] = l.Name
		for j := range l.X {
			x.least, x.most = min(x.least, l.X[j]), max(x.most, l.X[j])
			if v := l.Y[j]; !math.IsNaN(v) && (!log || v > 0) {
				y.least, y.most = min(y.least, v), max(y.most, v)
			}
		}
	}
	c := newCanvas(title, unit, names)
	if log && y.most > 0 {
		y.least, y.most = math.Pow(10, math.Floor(math.Log10(y.least))), math.Pow(10, math.Ceil(math.Log10(y.most*1.001)))
	} else {
		y.least, y.most, y.log = 0, nonZero(y.most)*1.05, false
	}
	if x.most <= x.least {
		x.least, x.most = min(x.least, 0), max(x.most, 1)
	}
	c.x, c.y = x, y
	c.grid()
	for _, v := range x.ticks() {
		c.text(x.at(v), height-bottom+18, "middle", number(v), "")
	}
	c.text((left+width-right)/2, height-14, "middle", axis, "")
	for i, l := range lines {
		var points []string
		for j := range l.X {
			if v := l.Y[j]; !math.IsNaN(v) {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(l.X[j]), y.at(v)))
			}
		}
		fmt.Fprintf(c, `<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`+"\n", colour(i), strings.Join(points, " "))
	}
	return c.end()
}

func nanMax(values ...float64) (most float64) {
	for _, v := range values {
		if !math.IsNaN(v) {
			most = max(most, v)
		}
	}
	return most
}

func nonZero(v float64) float64 {
	if v == 0 {
		return 1
	}
	return v
}
