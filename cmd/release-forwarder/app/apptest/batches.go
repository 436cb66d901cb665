package apptest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RawBatch is a part of a crafted log: the bytes of a record batch, or of a message of before Kafka 0.11, as a broker
// holds them. Batches of a CraftedLog follow one another by their offsets.
type RawBatch struct {
	last  int64 // the last offset it stands for, whether or not there is a record
	Bytes []byte
}

func (p RawBatch) first() int64 { return int64(binary.BigEndian.Uint64(p.Bytes)) }

// epoch is the leader's that wrote the batch; −1: unknown, as of all old messages.
func (p RawBatch) epoch() int32 {
	if p.Bytes[16] < 2 {
		return -1
	}
	return int32(binary.BigEndian.Uint32(p.Bytes[12:]))
}

// withEpoch is the batch as the leader of another epoch wrote it.
func (p RawBatch) withEpoch(epoch int32) RawBatch {
	raw := bytes.Clone(p.Bytes)
	binary.BigEndian.PutUint32(raw[12:], uint32(epoch)) // not under the checksum
	return RawBatch{p.last, raw}
}

// EventAt is the event that crafted logs hold at an offset: Event(offset, 0).
func EventAt(offset int64) []byte { return []byte(Event(int(offset), 0)) }

// CompressedBatch is a batch of the events (EventAt) at these offsets, ascending, as a codec packs them; compress.None is
// none. Its last offset is last: what lies between has been removed by compaction. Attributes are InTransaction or 0.
func CompressedBatch(codec compress.Compression, attributes int16, last int64, offsets ...int64) RawBatch {
	records := map[int64][]byte{}
	for _, o := range offsets {
		records[o] = EventAt(o)
	}
	return ValueBatch(codec, attributes, last, nil, records, offsets...)
}

// EventBatch is CompressedBatch without a codec and outside a transaction.
func EventBatch(last int64, offsets ...int64) RawBatch {
	return CompressedBatch(compress.None, 0, last, offsets...)
}

// EmptyBatch is what compaction leaves of an idempotent producer's batch: no record, and its first and last offset.
func EmptyBatch(first, last int64) RawBatch {
	return batchFrom(first, compress.None, 0, last, nil, nil)
}

// TransactionMarker ends the transaction of the one producer that crafted logs have, at an offset of its own.
func TransactionMarker(offset int64, commit bool) RawBatch {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	return ValueBatch(compress.None, InTransaction|isMarker, offset, key, map[int64][]byte{offset: {0, 0, 0, 0, 0, 9}}, offset)
}

// ValueBatch is CompressedBatch of any values, by offset (nil for those that are left out), all with one key.
func ValueBatch(codec compress.Compression, attributes int16, last int64, key []byte, values map[int64][]byte, offsets ...int64) RawBatch {
	return batchFrom(offsets[0], codec, attributes, last, key, values, offsets...)
}

func batchFrom(first int64, codec compress.Compression, attributes int16, last int64, key []byte, values map[int64][]byte, offsets ...int64) RawBatch {
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
	return RawBatch{last, raw}
}

// pack is what a codec makes of records.
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

// OldMessage is the event at an offset as producers before Kafka 0.11 wrote it, of magic 0 or 1.
func OldMessage(magic int8, offset int64) RawBatch {
	var raw []byte
	if magic == 0 {
		raw = (&kmsg.MessageV0{Offset: offset, Value: EventAt(offset)}).AppendTo(nil)
	} else {
		raw = (&kmsg.MessageV1{Offset: offset, Magic: 1, Timestamp: 1735689600000, Value: EventAt(offset)}).AppendTo(nil)
	}
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[12:], crc32.ChecksumIEEE(raw[16:]))
	return RawBatch{offset, raw}
}

// Corrupted is the batch of one event, with one bit of the event's plate turned over: its checksum is wrong.
func Corrupted(p RawBatch) RawBatch {
	raw := bytes.Clone(p.Bytes)
	raw[bytes.Index(raw, []byte(`"plate":"`))+len(`"plate":"粤B`)] ^= 1
	return RawBatch{p.last, raw}
}

// DecompressionBomb is a small batch of one record that unpacks to its event and size bytes of blanks.
func DecompressionBomb(offset int64, size int) RawBatch {
	value := append(EventAt(offset), bytes.Repeat([]byte{' '}, size)...)
	return ValueBatch(compress.Gzip, 0, offset, nil, map[int64][]byte{offset: value}, offset)
}

// FormatOffsets prints ascending offsets with their runs joined, such as "0–2, 5".
func FormatOffsets(offsets []int64) string {
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
