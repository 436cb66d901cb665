package dlq

import "github.com/segmentio/kafka-go"

// headersOf makes headers of names and values in turn.
func headersOf(pairs ...string) (headers []kafka.Header) {
	for i := 0; i < len(pairs); i += 2 {
		headers = append(headers, kafka.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return headers
}
