package faults

import (
	"fmt"
	"net/http"

	"release-forwarder/cmd/testkit/platform"
)

// wide and narrow say what a kind does to a span of requests and to one event.
var (
	// The others are of one event.
	//exhaustive:ignore
	wide = map[Kind]string{
		Outage:   "the platform closes every connection without an answer",
		Errors:   "every request is answered 500",
		Timeout:  "no request is answered",
		Throttle: "every request is answered 429 with Retry-After: 1",
		Garbage:  "every request is answered with a page of HTML",
		Lost:     "every request is processed and its answer lost",
		Forbid:   "every request of one lot is answered 403",
	}
	// Forbid is of a lot.
	//exhaustive:ignore
	narrow = map[Kind]string{
		Outage:   "gets its connection closed",
		Errors:   "is answered 500, once",
		Timeout:  "gets no answer (time-out)",
		Throttle: "is answered 429 with Retry-After: 1",
		Garbage:  "is answered with a page of HTML",
		Lost:     "is accepted but the answer is lost: it will come again",
		Poison:   "is answered 500 every time it comes",
		Reject:   "is refused with 400",
	}
)

// Reply is the script of the platform's double; see [platform.Double.Script].
func (p *Player) Reply(r *platform.Request) *platform.Reply {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := p.choose(r)
	if kind == "" {
		return nil
	}
	p.hits[kind]++
	return reply(kind, r.Seqno)
}

// choose finds the fault that hits the request; "" for none. A span hits
// first: an event that is marked while nothing answers would not be seen.
func (p *Player) choose(r *platform.Request) Kind {
	if p.stopped {
		return ""
	}
	for _, k := range kinds {
		for _, f := range p.on {
			if f.Kind == k && (k != Forbid || p.forbids(f, r.Flow().Lot)) {
				return k
			}
		}
	}
	if k := p.marked[r.Flow()]; k != "" {
		return k
	}
	if r.Attempt != 1 {
		return ""
	}
	for _, k := range kinds {
		if p.armed[k] == 0 {
			continue
		}
		p.armed[k]--
		if k.sticky() {
			p.marked[r.Flow()] = k
		}
		p.announce(fmt.Sprintf("fault   %s: event %s %s", k, r.Flow().No, narrow[k]))
		return k
	}
	return ""
}

// forbids reports whether the span refuses the lot: that of its first request.
func (p *Player) forbids(f Fault, lot string) bool {
	if _, picked := p.forbidden[f]; !picked && lot != "" {
		p.forbidden[f] = lot
		p.announce(fmt.Sprintf("fault   %s: lot %s", f.Kind, lot))
	}
	return lot != "" && p.forbidden[f] == lot
}

func reply(k Kind, seqno string) *platform.Reply {
	switch k {
	case Outage:
		return &platform.Reply{Cut: true}
	case Timeout:
		return &platform.Reply{Hang: true}
	case Lost:
		return &platform.Reply{Lose: true}
	case Garbage:
		return &platform.Reply{
			Status: http.StatusOK, Body: "<html><body><h1>502 Bad Gateway</h1></body></html>",
			Header: http.Header{"Content-Type": {"text/html"}},
		}
	case Throttle:
		return &platform.Reply{
			Status: http.StatusTooManyRequests, Body: body("429", "请求过于频繁", "", seqno),
			Header: http.Header{"Retry-After": {"1"}},
		}
	case Reject:
		return &platform.Reply{
			Status: http.StatusBadRequest, Body: body(platform.CodeBadParam, "参数错误", "park_uuid: 车场不存在", seqno),
		}
	case Forbid:
		return &platform.Reply{
			Status: http.StatusForbidden, Body: body(platform.CodeForbidden, "无权限", "park_uuid: 车场未授权", seqno),
		}
	case Errors, Poison:
	}
	return &platform.Reply{
		Status: http.StatusInternalServerError, Body: body(platform.CodeError, "服务器内部错误", "", seqno),
	}
}

func body(code, message, hint, seqno string) string {
	return platform.Body{Code: code, Message: message, Hint: hint, Seqno: seqno, DataNode: "CN-South/DOUBLE-1"}.String()
}
