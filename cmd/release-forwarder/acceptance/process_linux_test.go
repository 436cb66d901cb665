package acceptance

import "syscall"

// dieWithTest ends the process when the test's process ends, however it does.
func dieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
