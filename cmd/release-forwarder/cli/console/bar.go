package console

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar shows how far something is: as a bar with rate and time left on a
// terminal, else as a line now and then. A bar steers the terminal, so it is drawn beside the
// way that everything else takes, and shows numbers and words of ours alone.
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

// plainEvery is how often a plain line comes.
const plainEvery = 5 * time.Second

func NewBar(sc Screen, what string, total int) *Bar {
	p := &Bar{out: sc.Err, what: what, total: total, begun: time.Now(), last: time.Now()}
	if sc.bar != nil {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(sc.bar), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("dead letters"),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

// Set says how many are done.
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

// End leaves the line to what comes next.
func (p *Bar) End() {
	if p.bar != nil {
		fmt.Fprintln(p.out)
	}
}
