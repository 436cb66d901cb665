//go:build unix

package upstream

import "syscall"

const canPeek = true

// pending reports whether a socket has something unread: bytes, its end, or an error. It
// does not block, because the sockets of package net are non-blocking.
func pending(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN //nolint:errorlint // an Errno itself
}
