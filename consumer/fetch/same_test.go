package fetch_test

import "bytes"

// same compares bytes; null and empty differ.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
