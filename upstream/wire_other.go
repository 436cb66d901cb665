//go:build !unix

package upstream

// A socket cannot be peeked at here: bytes are known only when Read returns them.
const canPeek = false

func pending(uintptr) bool { return false }
