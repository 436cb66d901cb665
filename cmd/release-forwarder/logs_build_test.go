package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// piece is a stretch of a log made by hand: the bytes of a batch, or of an old
// message, as a broker holds them.
type piece struct {
	last  int64 // the last offset it stands for, whether or not there is a record
	bytes []byte
}

func (p piece) first() int64 { return int64(binary.BigEndian.Uint64(p.bytes)) }

// epoch is the leader's that wrote the batch; −1: unknown, as of all old messages.
func (p piece) epoch() int32 {
	if p.bytes[16] < 2 {
		return -1
	}
	return int32(binary.BigEndian.Uint32(p.bytes[12:]))
}

// inEpoch is a batch as another leader wrote it.
func (p piece) inEpoch(epoch int32) piece {
	raw := bytes.Clone(p.bytes)
	binary.BigEndian.PutUint32(raw[12:], uint32(epoch)) // not under the checksum
	return piece{p.last, raw}
}

// Attributes of a batch.
const (
	inTransaction = 0x10
	isMarker      = 0x20
	producerID    = 7
)

// eventAt is the event that the hand-made logs hold at an offset.
func eventAt(offset int64) []byte { return []byte(event(int(offset), 0)) }

// packed is a batch of events at these offsets of which the last offset is last;
// compaction may have removed records anywhere.
func packed(codec compress.Compression, attributes int16, last int64, offsets ...int64) piece {
	records := map[int64][]byte{}
	for _, o := range offsets {
		records[o] = eventAt(o)
	}
	return batchOf(codec, attributes, last, nil, records, offsets...)
}

func batch(last int64, offsets ...int64) piece { return packed(compress.None, 0, last, offsets...) }

// empty is what compaction leaves of an idempotent producer's batch.
func empty(first, last int64) piece {
	return batchFrom(first, compress.None, 0, last, nil, nil)
}

// marker ends the producer's transaction.
func marker(offset int64, commit bool) piece {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	return batchOf(compress.None, inTransaction|isMarker, offset, key, map[int64][]byte{offset: {0, 0, 0, 0, 0, 9}}, offset)
}

func batchOf(codec compress.Compression, attributes int16, last int64, key []byte, values map[int64][]byte, offsets ...int64) piece {
	return batchFrom(offsets[0], codec, attributes, last, key, values, offsets...)
}

func batchFrom(first int64, codec compress.Compression, attributes int16, last int64, key []byte, values map[int64][]byte, offsets ...int64) piece {
	var records []byte
	for _, o := range offsets {
		r := kmsg.Record{OffsetDelta: int32(o - first), Key: key, Value: values[o]}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // the length itself, 0, takes one byte
		records = r.AppendTo(records)
	}
	b := kmsg.RecordBatch{
		FirstOffset: first, Magic: 2, Attributes: attributes | int16(codec), LastOffsetDelta: int32(last - first),
		FirstTimestamp: 1735689600000, MaxTimestamp: 1735689600000, ProducerID: producerID, NumRecords: int32(len(offsets)),
		Records: pack(codec, records),
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return piece{last, raw}
}

func pack(codec compress.Compression, b []byte) []byte {
	if codec == compress.None {
		return b
	}
	var buf bytes.Buffer
	w := codec.Codec().NewWriter(&buf)
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// oldMessage is an event as producers before Kafka 0.11 wrote it, of magic 0 or 1.
func oldMessage(magic int8, offset int64) piece {
	var raw []byte
	if magic == 0 {
		raw = (&kmsg.MessageV0{Offset: offset, Value: eventAt(offset)}).AppendTo(nil)
	} else {
		raw = (&kmsg.MessageV1{Offset: offset, Magic: 1, Timestamp: 1735689600000, Value: eventAt(offset)}).AppendTo(nil)
	}
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[12:], crc32.ChecksumIEEE(raw[16:]))
	return piece{offset, raw}
}

// flipped is a piece with one bit of its event's plate turned over.
func flipped(p piece) piece {
	raw := bytes.Clone(p.bytes)
	raw[bytes.Index(raw, []byte(`"plate":"`))+len(`"plate":"粤B`)] ^= 1
	return piece{p.last, raw}
}

// swollen is a batch of one record that unpacks to size bytes of blanks around
// its event.
func swollen(offset int64, size int) piece {
	value := append(eventAt(offset), bytes.Repeat([]byte{' '}, size)...)
	return batchOf(compress.Gzip, 0, offset, nil, map[int64][]byte{offset: value}, offset)
}

func offsetsText(offsets []int64) string {
	var b bytes.Buffer
	for i := 0; i < len(offsets); i++ {
		j := i
		for j+1 < len(offsets) && offsets[j+1] == offsets[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, offsets[i])
		if j > i {
			fmt.Fprintf(&b, "–%d", offsets[j])
		}
		i = j
	}
	return b.String()
}
