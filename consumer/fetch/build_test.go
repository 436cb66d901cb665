package fetch

import (
	"bytes"
	"cmp"
	stdgzip "compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	xerial "github.com/segmentio/kafka-go/compress/snappy"
)

// This file builds logs as a broker would hold them, right or wrong.

// rec is a record of a batch to build.
type rec struct {
	delta      int64 // offset − the batch's
	time       int64 // timestamp − the batch's
	key, value []byte
	headers    []Header
}

// at returns plain records at these offset deltas.
func at(deltas ...int64) []rec {
	var all []rec
	for _, d := range deltas {
		all = append(all, rec{delta: d, time: d, key: fmt.Appendf(nil, "k%d", d), value: fmt.Appendf(nil, "value %d", d)})
	}
	return all
}

func appendBytes(b, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(v))), v...)
}

// bytes encodes the record with its length.
func (r rec) bytes() []byte {
	b := []byte{0}
	b = binary.AppendVarint(b, r.time)
	b = binary.AppendVarint(b, r.delta)
	b = appendBytes(b, r.key)
	b = appendBytes(b, r.value)
	b = binary.AppendVarint(b, int64(len(r.headers)))
	for _, h := range r.headers {
		b = appendBytes(b, []byte(h.Key))
		b = appendBytes(b, h.Value)
	}
	return append(binary.AppendVarint(nil, int64(len(b))), b...)
}

func recordBytes(records []rec) []byte {
	var b []byte
	for _, r := range records {
		b = append(b, r.bytes()...)
	}
	return b
}

// packer compresses as a producer does.
type packer struct {
	codec codec
	pack  func([]byte) []byte
}

// logBatch is a batch (magic 2) to build. Fields left zero get right values.
type logBatch struct {
	base       int64
	epoch      uint32 // the leader's; 0: 7
	records    []rec
	lastDelta  int32 // 0: the last record's
	attributes uint16
	producer   int64
	baseTime   int64
	maxTime    int64
	packer     packer
	count      *int32              // instead of the true one
	body       []byte              // instead of the records, already compressed
	spoil      func(header []byte) // before the checksum
}

func (l logBatch) bytes() []byte {
	body := l.body
	if body == nil {
		body = recordBytes(l.records)
		if l.packer.pack != nil {
			body = l.packer.pack(body)
		}
	}
	last := l.lastDelta
	if last == 0 && len(l.records) > 0 {
		last = int32(l.records[len(l.records)-1].delta)
	}
	count := int32(len(l.records))
	if l.count != nil {
		count = *l.count
	}
	be := binary.BigEndian
	b := be.AppendUint64(nil, uint64(l.base))
	b = be.AppendUint32(b, uint32(batchHeaderSize-prefixSize+len(body)))
	b = be.AppendUint32(b, cmp.Or(l.epoch, 7))
	b = append(b, 2, 0, 0, 0, 0)
	b = be.AppendUint16(b, l.attributes|uint16(l.packer.codec))
	b = be.AppendUint32(b, uint32(last))
	b = be.AppendUint64(b, uint64(l.baseTime))
	b = be.AppendUint64(b, uint64(l.maxTime))
	b = be.AppendUint64(b, uint64(l.producer))
	b = be.AppendUint16(b, 3) // producer epoch
	b = be.AppendUint32(b, 0) // sequence
	b = be.AppendUint32(b, uint32(count))
	if l.spoil != nil {
		l.spoil(b)
	}
	b = append(b, body...)
	be.PutUint32(b[batchCRCAt:], crc32.Checksum(b[batchAttributesAt:], castagnoli))
	return b
}

func batchAt(base int64, deltas ...int64) []byte {
	return logBatch{base: base, records: at(deltas...)}.bytes()
}

// emptyBatch is what compaction leaves of a batch from base to last.
func emptyBatch(base, last int64) []byte {
	return logBatch{base: base, lastDelta: int32(last - base)}.bytes()
}

func inTransaction(producer, base int64, deltas ...int64) []byte {
	return logBatch{base: base, records: at(deltas...), attributes: transactional, producer: producer}.bytes()
}

// marker ends a producer's transaction; kind 0 aborts, 1 commits.
func marker(producer, base int64, kind byte) []byte {
	return logBatch{
		base: base, attributes: transactional | control, producer: producer,
		records: []rec{{key: []byte{0, 0, 0, kind}, value: []byte{0, 0, 0, 0, 0, 9}}},
	}.bytes()
}

// oldMessage is a message of magic 0 or 1, from before Kafka 0.11; attributes may say that it packs others.
// Nothing behind the magic is read.
func oldMessage(magic byte, offset int64, attributes byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(offset))
	b = binary.BigEndian.AppendUint32(b, 22)
	return append(b, 0, 0, 0, 0, magic, attributes, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255)
}

func written(w interface {
	Write([]byte) (int, error)
	Close() error
}, buf *bytes.Buffer, b []byte) []byte {
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func gzipPacker(level int) packer {
	return packer{codecGzip, func(b []byte) []byte {
		var buf bytes.Buffer
		w, err := stdgzip.NewWriterLevel(&buf, level)
		if err != nil {
			panic(err)
		}
		return written(w, &buf, b)
	}}
}

func lz4Packer(opts ...lz4.Option) packer {
	return packer{codecLZ4, func(b []byte) []byte {
		var buf bytes.Buffer
		w := lz4.NewWriter(&buf)
		if err := w.Apply(opts...); err != nil {
			panic(err)
		}
		return written(w, &buf, b)
	}}
}

func zstdPacker(level zstd.EncoderLevel, opts ...zstd.EOption) packer {
	w := sync.OnceValue(func() *zstd.Encoder { // expensive to make
		w, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1)}, opts...)...)
		if err != nil {
			panic(err)
		}
		return w
	})
	return packer{codecZstd, func(b []byte) []byte {
		var buf bytes.Buffer
		w().Reset(&buf)
		return written(w(), &buf, b)
	}}
}

var (
	snappyBlock  = packer{codecSnappy, func(b []byte) []byte { return s2.EncodeSnappy(nil, b) }}
	snappyXerial = packer{codecSnappy, func(b []byte) []byte {
		var buf bytes.Buffer
		c := xerial.Codec{Framing: xerial.Framed}
		return written(c.NewWriter(&buf), &buf, b)
	}}
)

// packers are all ways in which producers compress.
var packers = map[string]packer{
	"none":          {codecNone, func(b []byte) []byte { return b }},
	"gzip 1":        gzipPacker(stdgzip.BestSpeed),
	"gzip 9":        gzipPacker(stdgzip.BestCompression),
	"gzip stored":   gzipPacker(stdgzip.NoCompression),
	"snappy block":  snappyBlock,
	"snappy xerial": snappyXerial,
	"lz4":           lz4Packer(),
	"lz4 64 KiB, 9": lz4Packer(lz4.BlockSizeOption(lz4.Block64Kb), lz4.CompressionLevelOption(lz4.Level9), lz4.BlockChecksumOption(true)),
	"lz4 4 MiB":     lz4Packer(lz4.BlockSizeOption(lz4.Block4Mb), lz4.ChecksumOption(false)),
	"zstd fastest":  zstdPacker(zstd.SpeedFastest),
	"zstd best":     zstdPacker(zstd.SpeedBestCompression, zstd.WithEncoderCRC(false)),
	"zstd 64 MiB":   zstdPacker(zstd.SpeedDefault, zstd.WithWindowSize(64<<20)),
	"zstd one block": {codecZstd, func(b []byte) []byte {
		w, _ := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
		return w.EncodeAll(b, nil)
	}},
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// answer is a partition's answer that holds log.
func answer(log []byte, aborted ...abortedTransaction) *Answer {
	return &Answer{Topic: "events", records: log, aborted: aborted}
}

// drain reads an answer to its end and returns the error, nil for io.EOF. It checks what must hold for any
// input.
func drain(t testing.TB, a *Answer, from int64, l Limits) ([]Record, int64, error) {
	t.Helper()
	r := a.Records(from, l)
	defer r.Close()
	var all []Record
	position := r.Position()
	for {
		rec, err := r.Next()
		if r.Position() < position {
			t.Fatalf("position went back from %d to %d", position, r.Position())
		}
		if err != nil {
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Fatalf("the end was %v, then %v", err, again)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, r.Position(), err
		}
		if rec.Offset < from || rec.Offset < position || r.Position() != rec.Offset+1 {
			t.Fatalf("offset %d from %d, position %d then %d", rec.Offset, from, position, r.Position())
		}
		position = r.Position()
		all = append(all, rec)
	}
}

var roomy = Limits{MaxRecordBytes: 1 << 20}
