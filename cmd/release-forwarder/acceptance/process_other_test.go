//go:build !linux

package acceptance

import "syscall"

// dieWithTest: only Linux can promise it; elsewhere the test's clean-up ends
// the process.
func dieWithTest() *syscall.SysProcAttr { return nil }
