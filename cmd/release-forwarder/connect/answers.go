package connect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
)

// shapes are kafka-go's own types of the answers that kafka-go decodes for the service: those of dead letters
// (Produce, CreateTopics, DescribeConfigs, by consumer/wire's RoundTrip) and those of a kafka.Conn (log-in,
// ApiVersions, Metadata). The type says what the decoder would allocate. kmsg decodes all other answers, and
// refuses a list of more elements than bytes are left; consumer/fetch decodes Fetch's.
// TestAnswersThatKafkaGoDecodesAreChecked keeps the list.
var shapes = map[protocol.ApiKey]reflect.Type{
	protocol.ApiVersions:      reflect.TypeFor[apiversions.Response](),
	protocol.CreateTopics:     reflect.TypeFor[createtopics.Response](),
	protocol.DescribeConfigs:  reflect.TypeFor[describeconfigs.Response](),
	protocol.Metadata:         reflect.TypeFor[metadata.Response](),
	protocol.Produce:          reflect.TypeFor[produce.Response](),
	protocol.SaslAuthenticate: reflect.TypeFor[saslauthenticate.Response](),
	protocol.SaslHandshake:    reflect.TypeFor[saslhandshake.Response](),
}

// decodedLimit is the most that the arrays of one answer may take once decoded.
const decodedLimit = 8 << 20

// checkAnswer checks the body of an answer (what follows its correlation ID) before it is decoded. It refuses
// a length beyond the bytes that are left, and arrays that take more than decodedLimit together. It allocates
// nothing by lengths itself. A body that ends early is left to the decoder.
func checkAnswer(key protocol.ApiKey, version int16, body []byte) error {
	t, known := shapes[key]
	if !known || version > key.MaxVersion() {
		return nil
	}
	w := walk{left: body, version: version, flexible: layoutOf(t, version).flexible}
	if w.flexible {
		w.tags(nil) // of the header
	}
	w.structure(t)
	if errors.Is(w.err, errEnds) {
		return nil
	}
	return w.err
}

// walk goes through an answer as kafka-go's decoder does.
type walk struct {
	left     []byte
	version  int16
	flexible bool // lengths are varints, and structs end in tagged fields (KIP-482)
	decoded  uint64
	err      error
}

var errEnds = errors.New("it ends early")

func (w *walk) skip(n uint64) (b []byte) {
	if w.err == nil && n > uint64(len(w.left)) {
		w.err = errEnds
	}
	if w.err != nil {
		return make([]byte, min(n, 8))
	}
	b, w.left = w.left[:n], w.left[n:]
	return b
}

func (w *walk) varint() uint64 {
	for shift, n := 0, uint64(0); shift < 70; shift += 7 {
		b := w.skip(1)[0]
		if n |= uint64(b&0x7f) << shift; b&0x80 == 0 {
			return n
		}
	}
	w.fail("a number of more than 10 bytes")
	return 0
}

func (w *walk) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// length reads the length of a string, bytes or an array; null is 0.
func (w *walk) length(short bool) uint64 {
	var n int64
	switch {
	case w.flexible:
		n = int64(min(w.varint(), 1<<40)) - 1
	case short:
		n = int64(int16(binary.BigEndian.Uint16(w.skip(2))))
	default:
		n = int64(int32(binary.BigEndian.Uint32(w.skip(4))))
	}
	if w.err == nil && n > int64(len(w.left)) {
		w.fail("a length of %d where %d bytes are left", n, len(w.left))
	}
	if w.err != nil || n < 0 {
		return 0
	}
	return uint64(n)
}

func (w *walk) structure(t reflect.Type) {
	l := layoutOf(t, w.version)
	for _, field := range l.plain {
		if w.value(field); w.err != nil {
			return
		}
	}
	if w.flexible {
		w.tags(l.tagged)
	}
}

// tags goes through tagged fields, of two bytes or more each. kafka-go counts them down to the last, even if
// no bytes are left: a count of 2^62 occupies it indefinitely.
func (w *walk) tags(known map[uint64]reflect.Type) {
	n := w.varint()
	if w.err == nil && n > uint64(len(w.left)/2) {
		w.fail("%d tagged fields where %d bytes are left", n, len(w.left))
	}
	for ; n > 0 && w.err == nil; n-- {
		id, size := w.varint(), w.varint()
		if id > math.MaxInt32 { // kafka-go marks a struct as flexible by a field of a larger ID, and decodes that field as a struct
			w.fail("a tagged field %d", id)
		}
		if t := known[id]; t != nil {
			w.value(t)
			continue
		}
		if w.err == nil && size > uint64(len(w.left)) {
			w.fail("a tagged field of %d bytes where %d are left", size, len(w.left))
		}
		w.skip(size)
	}
}

func (w *walk) value(t reflect.Type) {
	switch t.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Float64:
		w.skip(uint64(t.Size()))
	case reflect.String:
		w.skip(w.length(true))
	case reflect.Struct:
		w.structure(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			w.skip(w.length(false))
			return
		}
		w.array(t.Elem())
	default:
		w.fail("a field of type %v", t)
	}
}

func (w *walk) array(elem reflect.Type) {
	n := w.length(false)
	if w.decoded += n * uint64(elem.Size()); w.err == nil && w.decoded > decodedLimit {
		w.fail("lists that take more than %d MiB", decodedLimit>>20)
	}
	for ; n > 0 && w.err == nil; n-- {
		w.value(elem)
	}
}

// layout is a struct of an answer in one version, so that its tags are read once.
type layout struct {
	flexible bool // of an answer: see flexible
	plain    []reflect.Type
	tagged   map[uint64]reflect.Type
}

type versioned struct {
	of      reflect.Type
	version int16
}

var layouts sync.Map // versioned to *layout: one for each type and version

func layoutOf(t reflect.Type, version int16) *layout {
	if known, ok := layouts.Load(versioned{t, version}); ok {
		return known.(*layout)
	}
	l := &layout{flexible: flexible(t, version), tagged: map[uint64]reflect.Type{}}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := tagOf(f, version)
		switch {
		case !ok || f.Name == "_":
		case tag.id >= 0:
			l.tagged[uint64(tag.id)] = f.Type
		default:
			l.plain = append(l.plain, f.Type)
		}
	}
	layouts.Store(versioned{t, version}, l)
	return l
}

// fieldTag is what kafka-go's struct tag says of a field in one version.
type fieldTag struct {
	id int // of a tagged field; −1 if the tag only makes the struct flexible; else −2
}

// tagOf reads a tag such as "min=v0,max=v5|min=v6,max=v7,compact"; false if the field is not in the version.
func tagOf(f reflect.StructField, version int16) (fieldTag, bool) {
	text, ok := f.Tag.Lookup("kafka")
	if !ok || text == "-" {
		return fieldTag{}, false
	}
	for part := range strings.SplitSeq(text, "|") {
		tag, least, most := fieldTag{id: -2}, -1, -1
		for option := range strings.SplitSeq(part, ",") {
			name, value, _ := strings.Cut(option, "=")
			switch name {
			case "min":
				least = number(strings.TrimPrefix(value, "v"))
			case "max":
				most = number(strings.TrimPrefix(value, "v"))
			case "tag":
				tag.id = -1
				if value != "" {
					tag.id = number(value)
				}
			}
		}
		if least <= int(version) && int(version) <= most {
			return tag, true
		}
	}
	return fieldTag{}, false
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// flexible reports whether a version of an answer has compact lengths: from the first version on that has a
// tagged field.
func flexible(t reflect.Type, version int16) bool {
	for v := range version + 1 {
		for i := range t.NumField() {
			if tag, ok := tagOf(t.Field(i), v); ok && tag.id > -2 {
				return true
			}
		}
	}
	return false
}
