package platform

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config says whose requests the double takes and how much it remembers. The
// zero value takes requests signed with an empty secret and remembers all.
type Config struct {
	// AppID, when not empty, must be sent as app_id; when empty, any app_id or
	// none is taken.
	AppID string
	// Secret signs every request. See also [Double.SetSecret].
	Secret string
	// Now is the clock of [Request.At]; nil is [time.Now].
	Now func() time.Time
	// KeepRequests bounds how many requests are remembered for
	// [Double.Requests], the latest ones; 0 remembers all, below 0 none, so
	// that a run of hours keeps only its counts.
	KeepRequests int
	// KeepFlows bounds how many flow numbers are remembered, at least that
	// many and at most twice as many; 0 remembers all. A repeat of one that was
	// forgotten counts as new.
	KeepFlows int
	// OnAnswer, when set, is called for each request once its answer is
	// decided, by the goroutine that serves it and without a lock held. It is
	// called before the answer is written, so what it saw accepted is known
	// before the client can know.
	OnAnswer func(Request)
}

// Double is the platform's double. It is an [http.Handler], safe for
// concurrent use; make one with [New].
type Double struct {
	cfg    Config
	secret atomic.Pointer[string]
	script atomic.Pointer[func(*Request) *Reply]

	mu      sync.Mutex
	records records // guarded by mu
}

// New returns a double with nothing recorded and no script.
func New(cfg Config) *Double {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Double{cfg: cfg, records: newRecords(cfg)}
	d.SetSecret(cfg.Secret)
	return d
}

// SetSecret replaces the secret that signs requests from now on, as a rotation
// on the platform's side does.
func (d *Double) SetSecret(secret string) { d.secret.Store(&secret) }

// Reply is a scripted fault. Its zero value changes nothing: the request is
// answered by the normal path.
type Reply struct {
	// Status and Body answer instead of the normal path when either is set; a
	// Status of 0 is then 200. Header is added to the answer.
	Status int
	Body   string
	Header http.Header
	// Delay passes before anything else happens. A client that gives up
	// meanwhile is not processed.
	Delay time.Duration
	// Hang holds the request without an answer until the client gives up.
	Hang bool
	// Cut closes the connection instead of answering; with a Body, after that
	// much of an answer.
	Cut bool
	// Lose processes the request by the normal path and then closes the
	// connection: the client never learns that it was accepted.
	Lose bool
}

// replaces reports whether the reply stands in for the normal path.
func (r *Reply) replaces() bool {
	return r.Status != 0 || r.Body != "" || r.Hang || r.Cut
}

// Script sets the function that decides faults: it is called for each request
// once its body is decoded, concurrently, and a nil reply means the normal path.
// A nil function ends all faults. The function must not keep or change the
// request.
func (d *Double) Script(f func(r *Request) *Reply) {
	if f == nil {
		d.script.Store(nil)
		return
	}
	d.script.Store(&f)
}

// ServeHTTP answers one request of the endpoint.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	params, refusal := decode(r)
	if r.Context().Err() != nil {
		return // the client went away while it sent: nothing arrived
	}
	req := d.arrive(r, params)
	defer d.leave()

	reply := d.reply(req)
	if !wait(r.Context(), reply.Delay) {
		d.answered(req, answer{})
		return
	}
	switch {
	case reply.Hang:
		<-r.Context().Done()
		d.answered(req, answer{})
	case reply.replaces():
		d.answered(req, answer{code: codeOf(reply.Body), scripted: true})
		reply.write(w)
	default:
		a := refusal
		if a.code == "" {
			a = d.judge(params)
		}
		d.answered(req, a)
		if reply.Lose {
			panic(http.ErrAbortHandler)
		}
		a.write(w, r, req.Seqno)
	}
}

// reply asks the script, if there is one.
func (d *Double) reply(req *Request) *Reply {
	if f := d.script.Load(); f != nil {
		if reply := (*f)(req); reply != nil {
			return reply
		}
	}
	return &Reply{}
}

// judge is the normal path: who signed, then what was sent.
func (d *Double) judge(p map[string]string) answer {
	if a := authenticate(p, d.cfg.AppID, *d.secret.Load()); a.code != "" {
		return a
	}
	if a := validate(p); a.code != "" {
		return a
	}
	return answer{code: CodeAccepted}
}

// wait lets d pass and reports whether the client is still there.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
