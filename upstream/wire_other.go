//go:build !unix

package upstream

// What lies unread at a socket cannot be told here: it is known when Read brings it.
const canPeek = false

func pending(uintptr) bool { return false }
