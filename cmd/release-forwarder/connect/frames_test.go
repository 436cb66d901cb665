package connect

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"reflect"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// hostile is a broker that answers requests of kind key with a body, and ApiVersions before them with the
// versions of a real broker. From version 9 on it answers another body.
func hostile(key protocol.ApiKey, body, from9 []byte) DialFunc {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			for {
				var head [requestHead]byte
				if _, err := io.ReadFull(far, head[:]); err != nil {
					return
				}
				be := binary.BigEndian
				if _, err := io.CopyN(io.Discard, far, int64(be.Uint32(head[:]))+4-requestHead); err != nil {
					return
				}
				answer := body
				if be.Uint16(head[6:]) >= 9 {
					answer = from9
				}
				if asked := protocol.ApiKey(be.Uint16(head[4:])); asked == protocol.ApiVersions && key != protocol.ApiVersions {
					answer = versions()
				}
				frame := be.AppendUint32(nil, uint32(len(answer)+4))
				frame = append(append(frame, head[8:]...), answer...)
				if _, err := far.Write(frame); err != nil {
					return
				}
			}
		}()
		return near, nil
	}
}

// versions is ApiVersions' answer, version 0, of a broker that has all APIs.
func versions() []byte {
	b := []byte{0, 0}
	b = binary.BigEndian.AppendUint32(b, 40)
	for key := range uint16(40) {
		b = binary.BigEndian.AppendUint16(b, key)
		b = append(b, 0, 0, 0, 20)
	}
	return b
}

// A count without bytes must be an error. kafka-go allocates by it first, and a process without that memory
// ends.
func TestACountWithoutBytesIsAnErrorNotMemory(t *testing.T) {
	count := []byte{0x7f, 0xff, 0xff, 0xff}
	compact := binary.AppendUvarint(nil, 1<<31)
	noBrokers := []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0} // no tags, no throttling, no brokers, no cluster ID, no controller
	for name, c := range map[string]struct {
		key         protocol.ApiKey
		body, from9 []byte
	}{
		"versions": {protocol.ApiVersions, append([]byte{0, 0}, count...), nil},
		"brokers":  {protocol.Metadata, append(make([]byte, 4), count...), append(make([]byte, 5), compact...)},
		"topics":   {protocol.Metadata, append(make([]byte, 4+4+2+4), count...), slices.Concat(noBrokers, compact)},
		"partitions of a topic": {
			protocol.Metadata,
			append(append(make([]byte, 4+4+2+4), 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0), count...),
			slices.Concat(noBrokers, []byte{2, 0, 0, 2, 'x'}, make([]byte, 16+1), compact),
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				k, err := New(ctx, Config{Kafka: kafkaSettings(nil, "broker:9092"), Topics: []string{"x"}, Dial: hostile(c.key, c.body, c.from9)})
				if err != nil {
					t.Fatal(err)
				}
				asking, giveUp := context.WithTimeout(ctx, RequestTimeout)
				defer giveUp()
				if _, err = k.Wire.MetadataOf(asking, []string{"x"}); err == nil {
					t.Error("the wire believes it")
				}
				conn, err := k.Dialer.DialContext(ctx, "tcp", "broker:9092")
				if err == nil {
					if _, err = conn.ReadPartitions("x"); err == nil {
						t.Error("the group's connection believes it")
					}
					_ = conn.Close()
				}
				cancel()
				k.Wire.Close()
				time.Sleep(time.Minute)
			})
		})
	}
}

// kafka-go counts tagged fields down to the last, even if no bytes are left: a count without bytes would
// occupy one processor indefinitely, beyond every time-out.
func TestACountOfTaggedFieldsWithoutBytesIsRefused(t *testing.T) {
	endless := binary.AppendUvarint(nil, 1<<62)
	noTopics := []byte{0, 0, 0, 0, 0, 1} // no tags of the header, no throttling, a list of no topics
	for name, body := range map[string][]byte{
		"of the header":           endless,
		"of the answer":           slices.Concat(noTopics, endless),
		"of the answer, one more": slices.Concat(noTopics, []byte{2, 1, 0}),
		// kafka-go decodes field −1 as a struct, which has tagged fields.
		"of a tagged field": slices.Concat(noTopics, []byte{1}, binary.AppendUvarint(nil, math.MaxUint64), []byte{0}, endless),
	} {
		if err := checkAnswer(protocol.CreateTopics, 5, body); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := checkAnswer(protocol.CreateTopics, 5, []byte{1, 9, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4}); err != nil {
		t.Errorf("with one in each place: %v", err)
	}
}

// Versions that kafka-go does not know are decoded by others: they are let through.
func TestAVersionThatKafkaGoDoesNotKnowIsLetThrough(t *testing.T) {
	body := []byte{0, 0x7f, 0xff, 0xff, 0xff, 0} // no tags of the header, then what cannot be right in any version
	newest := protocol.CreateTopics.MaxVersion()
	if checkAnswer(protocol.CreateTopics, newest, slices.Concat(body[:5], []byte{0x7f})) == nil {
		t.Error("the newest that it knows: taken")
	}
	if err := checkAnswer(protocol.CreateTopics, newest+1, body); err != nil {
		t.Errorf("one more: %v", err)
	}
}

// fill gives v, a pointer to an answer, content drawn by r.
func fill(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 1)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(int8(r.IntN(256))))
	case reflect.Float64:
		v.SetFloat(r.Float64())
	case reflect.String:
		v.SetString(strings.Repeat("x", r.IntN(200)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			if v.Type().Elem().Kind() == reflect.Uint8 {
				v.Index(i).SetUint(uint64(r.IntN(256)))
			} else {
				fill(v.Index(i), r)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Name != "_" {
				fill(v.Field(i), r)
			}
		}
	default:
		panic(v.Type().String())
	}
}

// written is an answer from kafka-go's own encoder, without size and correlation ID.
func written(t testing.TB, key protocol.ApiKey, version int16, r *rand.Rand) []byte {
	t.Helper()
	m := reflect.New(shapes[key])
	fill(m.Elem(), r)
	var frame bytes.Buffer
	if err := protocol.WriteResponse(&frame, version, 1, m.Interface().(protocol.Message)); err != nil {
		t.Fatal(err)
	}
	return frame.Bytes()[responseHead:]
}

// Every answer that kafka-go can write, in every version, is let through, and read to its last byte.
func TestEveryAnswerInEveryVersionIsLetThrough(t *testing.T) {
	for key, shape := range shapes {
		for version := key.MinVersion(); version <= key.MaxVersion(); version++ {
			for seed := range uint64(50) {
				body := written(t, key, version, rand.New(rand.NewPCG(seed, 1)))
				if err := checkAnswer(key, version, body); err != nil {
					t.Fatalf("%s version %d, seed %d: %v", key, version, seed, err)
				}
				w := walk{left: body, version: version, flexible: flexible(shape, version)}
				if w.flexible {
					w.tags(nil)
				}
				if w.structure(shape); w.err != nil || len(w.left) > 0 {
					t.Fatalf("%s version %d, seed %d: %d of %d bytes are left, %v", key, version, seed, len(w.left), len(body), w.err)
				}
			}
		}
	}
}

// An inflated length, wherever it stands, costs a few times the answer's size, and no more than the limit.
func FuzzAnswers(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for key := range shapes {
		for version := key.MinVersion(); version <= key.MaxVersion(); version++ {
			body := written(f, key, version, r)
			f.Add(int16(key), version, body)
			for at := 0; at+4 <= len(body); at += 1 + len(body)/16 {
				blown := bytes.Clone(body)
				copy(blown[at:], []byte{0x7f, 0xff, 0xff, 0xff})
				f.Add(int16(key), version, blown)
			}
		}
	}
	f.Add(int16(protocol.CreateTopics), int16(5), []byte("\xff\xff0"))
	f.Fuzz(func(t *testing.T, number, version int16, body []byte) {
		key := protocol.ApiKey(number)
		if shapes[key] == nil || version < key.MinVersion() || version > key.MaxVersion() || len(body) > 1<<20 {
			return
		}
		if checkAnswer(key, version, body) != nil {
			return
		}
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
		frame = append(binary.BigEndian.AppendUint32(frame, 1), body...)
		before := allocated()
		_, _, _ = protocol.ReadResponse(bytes.NewReader(frame), key, version)
		// Beside the arrays each string is copied, and a short one takes a word or two.
		if took, most := allocated()-before, uint64(decodedLimit+64<<10+64*len(body)); took > most {
			t.Errorf("%s version %d: decoding %d bytes took %d, at most %d is right", key, version, len(body), took, most)
		}
	})
}

// allocated returns the bytes allocated by the process so far. (runtime.ReadMemStats stops the world: it would
// take most of the fuzzer's time.)
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// An answer that would be too large once decoded is refused although its bytes are there.
func TestAnAnswerOfManySmallPartsIsRefused(t *testing.T) {
	body := binary.BigEndian.AppendUint32(make([]byte, 4), 0) // no brokers
	body = append(body, 0xff, 0xff, 0, 0, 0, 0)
	const topics = 200_000
	body = binary.BigEndian.AppendUint32(body, topics)
	for range topics {
		body = append(body, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	if err := checkAnswer(protocol.Metadata, 5, body); err == nil {
		t.Error("taken")
	}
}

// frame is an answer as it comes.
func frame(correlation uint32, body ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
	return append(binary.BigEndian.AppendUint32(b, correlation), body...)
}

// request is a request as it is written.
func request(key protocol.ApiKey, version int16, correlation uint32, rest ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(rest)))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return append(binary.BigEndian.AppendUint32(b, correlation), rest...)
}

// played is a connection whose answers are fixed beforehand.
type played struct {
	net.Conn
	answers io.Reader
}

func (p played) Read(b []byte) (int, error)  { return p.answers.Read(b) }
func (p played) Write(b []byte) (int, error) { return len(b), nil }

func TestFramesAreHandedOnAsTheyCame(t *testing.T) {
	heartbeat := []byte{0, 27}
	fetched := bytes.Repeat([]byte{7}, 100_000)
	for _, piece := range []int{1, 3, 11, 12, 1000} {
		sent := append(request(protocol.Heartbeat, 0, 1, 1, 2, 3), request(protocol.Fetch, 11, 2)...)
		sent = append(sent, request(protocol.Heartbeat, 0, 3)...)
		want := append(frame(1, heartbeat...), frame(2, fetched...)...)
		want = append(want, frame(3, heartbeat...)...)
		c := newFramed(played{answers: bytes.NewReader(want)})
		for ; len(sent) > 0; sent = sent[min(piece, len(sent)):] {
			if _, err := c.Write(sent[:min(piece, len(sent))]); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(struct{ io.Reader }{c})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("pieces of %d: %d bytes of %d, %v", piece, len(got), len(want), err)
		}
	}
}

func TestWhatIsNoAnswerEndsTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		asked, answer []byte
		want          string
	}{
		"unasked":                     {nil, frame(1, 0, 0), "not asked"},
		"another request's":           {request(protocol.Heartbeat, 0, 1), frame(2, 0, 0), "another request"},
		"HTTP":                        {request(protocol.ApiVersions, 0, 1), []byte("HTTP/1.1 400 Bad Request\r\n"), "another protocol"},
		"TLS":                         {request(protocol.ApiVersions, 0, 1), []byte{21, 3, 3, 0, 2, 2, 40, 0}, "TLS"},
		"a negative size":             {request(protocol.Heartbeat, 0, 1), []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1}, "claims"},
		"a size without its own head": {request(protocol.Heartbeat, 0, 1), []byte{0, 0, 0, 3, 0, 0, 0, 1}, "claims"},
		"a fetch of two gigabytes":    {request(protocol.Fetch, 11, 1), []byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1}, "claims"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := newFramed(played{answers: bytes.NewReader(c.answer)})
			if _, err := conn.Write(c.asked); err != nil {
				t.Fatal(err)
			}
			for range 2 { // twice: nothing more is read
				if _, err := conn.Read(make([]byte, 64)); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want one that says %q", err, c.want)
				}
			}
		})
	}
}

// An answer cut off within a frame is an end of the connection, as kafka-go expects it.
func TestAnAnswerThatIsCutOffIsAnEnd(t *testing.T) {
	whole := frame(1, 0, 0)
	for n := range len(whole) {
		conn := newFramed(played{answers: bytes.NewReader(whole[:n])})
		if _, err := conn.Write(request(protocol.Heartbeat, 0, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 64)); !errors.Is(err, io.EOF) {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestAHandshakeBeforeKafka1IsRefused(t *testing.T) {
	conn := newFramed(played{})
	if _, err := conn.Write(request(protocol.SaslHandshake, 0, 1)); err == nil {
		t.Error("what comes behind it has no head that could be read along")
	}
}
