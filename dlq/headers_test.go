package dlq

import "release-forwarder/consumer/fetch"

// headersOf makes headers of names and values in turn.
func headersOf(pairs ...string) fetch.Headers {
	var list []fetch.Header
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fetch.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return fetch.HeadersOf(list...)
}
