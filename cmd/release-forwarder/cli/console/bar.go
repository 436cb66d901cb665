package console

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar shows progress: on a terminal a bar with rate and time left, else a line every few
// seconds. A bar needs control characters, so it bypasses the writer that escapes them, and
// shows only numbers and words of ours.
type Bar struct {
	out      io.Writer
	what     string
	total    int
	done     int
	begun    time.Time
	last     time.Time // of the last plain line
	bar      *progressbar.ProgressBar
	lastDone int
}

// plainEvery is how often a plain line is printed.
const plainEvery = 5 * time.Second

// NewBar returns a bar for total steps, named what. Nothing is drawn before the first Set.
func NewBar(sc Screen, what string, total int) *Bar {
	p := &Bar{out: sc.Err, what: what, total: total, begun: time.Now(), last: time.Now()}
	if sc.bar != nil {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(sc.bar), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("dead letters"),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

// Set shows how many steps are done; more than total is shown as total.
func (p *Bar) Set(done int) {
	p.done = done
	if p.bar != nil {
		_ = p.bar.Set(min(done, p.total)) // a bar that cannot be drawn is no reason to stop
		return
	}
	if time.Since(p.last) >= plainEvery && done != p.lastDone {
		p.last, p.lastDone = time.Now(), done
		fmt.Fprintln(p.out, p.line())
	}
}

// line is the state in words.
func (p *Bar) line() string {
	took := time.Since(p.begun)
	text := fmt.Sprintf("%s %s of %s", p.what, Number(p.done), Number(p.total))
	if p.done > 0 && took > 0 {
		rate := float64(p.done) / took.Seconds()
		text += fmt.Sprintf(", %.1f a second", rate)
		if left := p.total - p.done; left > 0 {
			text += ", " + Age(time.Duration(min(float64(left)/rate*float64(time.Second), 1<<62))) + " left"
		}
	}
	return text
}

// End ends the bar's line. Call it once, after the last Set.
func (p *Bar) End() {
	if p.bar != nil {
		fmt.Fprintln(p.out)
	}
}
