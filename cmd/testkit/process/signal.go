package process

import "syscall"

// Signal sends the process a signal. One that has ended is left alone: its
// number may be another's by now.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(p.pid, s) // it may end at this very moment
	}
}
