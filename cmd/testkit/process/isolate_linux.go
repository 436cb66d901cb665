package process

import (
	"os/exec"
	"syscall"
)

// isolate gives the command a process group of its own and ends it with the
// thread that starts it.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
