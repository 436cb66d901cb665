package dlq

import (
	"bytes"
	"iter"
)

// FirstTopic is the topic in which a record's event was first: that of the header origin of a
// replayed record, else the record's own.
func FirstTopic(topic string, headers iter.Seq2[[]byte, []byte]) string {
	for name, value := range headers {
		if string(name) == HeaderPrefix+"origin" && isOrigin(value) {
			first, _, _ := bytes.Cut(value, []byte("/"))
			topic = string(first)
		}
	}
	return topic
}
