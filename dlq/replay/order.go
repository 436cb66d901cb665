package replay

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// A replay sends events in their original order, which may differ from the order of their
// letters: partitions may have been added to the dead-letter topic, so that letters of one
// order key are in two of them, and a person may replay a later event before an earlier one.
// So a replay first reads all letters and records the place of each letter and of its event.
// Then it reads them again in the events' order, some MiB at a time.

// ErrGone: retention has deleted the letter since it was chosen.
var ErrGone = errors.New("it was deleted since it was chosen")

// Order holds the letters that a replay chooses from, by the places of their events. It takes
// 24 bytes for each.
type Order struct {
	places map[origin][]noted
}

// origin is the original partition of events.
type origin struct {
	topic     string
	partition int32
}

// unknownOrigin is the origin of letters that do not tell where their events were. They cannot be
// sent.
var unknownOrigin = origin{partition: math.MaxInt32}

// noted is a letter without its content.
type noted struct {
	event     int64 // the event's offset
	letter    int64 // the letter's, in
	partition int32
	size      int32
}

// Len is how many letters there are.
func (o *Order) Len() (n int) {
	for _, list := range o.places {
		n += len(list)
	}
	return n
}

// Order reads the letters that a replay may send: those that its filter or IDs choose,
// without those that are not open. It does not report which are left out: [Replayer.Choose]
// does.
func (d *Replayer) Order(ctx context.Context, l *ledger.Ledger, p *Plan) (*Order, error) {
	letters, err := d.letters(ctx, p)
	if err != nil {
		return nil, err
	}
	o := &Order{places: map[origin][]noted{}}
	for s, err := range letters {
		if err == nil && p.alive != nil {
			err = p.alive()
		}
		if err != nil {
			return nil, err
		}
		if p.Again || len(p.IDs) > 0 || l.State(s) == dlq.Open {
			where, event := placeOf(s)
			o.places[where] = append(o.places[where], noted{event, s.ID.Offset, s.ID.Partition, sizeOf(s)})
		}
	}
	for _, list := range o.places {
		slices.SortFunc(list, func(a, b noted) int {
			return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.partition, b.partition), cmp.Compare(a.letter, b.letter))
		})
	}
	return o, nil
}

// placeOf returns the original place of a letter's event. A replayed event keeps its place
// before later ones.
func placeOf(s *dlq.Stored) (origin, int64) {
	if s.Topic == "" || s.Partition < 0 || s.Offset < 0 {
		return unknownOrigin, 0
	}
	if parts := strings.Split(s.Origin, "/"); s.Redrives > 0 && len(parts) == 3 {
		partition, err1 := strconv.ParseInt(parts[1], 10, 32)
		offset, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err1 == nil && err2 == nil {
			return origin{parts[0], int32(partition)}, offset
		}
	}
	return origin{s.Topic, s.Partition}, s.Offset
}

// sizeOf is about the memory of a letter.
func sizeOf(s *dlq.Stored) int32 {
	return int32(min(len(s.Key)+len(s.Value)+1024+s.Headers.Size(), math.MaxInt32))
}

// origins are the partitions of events, in order; unknown ones come last.
func (o *Order) origins() []origin {
	return slices.SortedFunc(maps.Keys(o.places), func(a, b origin) int {
		if a == unknownOrigin || b == unknownOrigin {
			return cmp.Compare(a.partition, b.partition)
		}
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
}

// windowBytes is how many bytes of letters are read at a time; one letter may be larger.
const windowBytes = 8 << 20

// window is how many letters of a list are read at a time.
func window(list []noted, most int) (n int) {
	bytes := int64(0)
	for n < len(list) && n < most && (n == 0 || bytes+int64(list[n].size) <= windowBytes) {
		bytes += int64(list[n].size)
		n++
	}
	return n
}

// inOrder reads letters in the order of their events, at most most() at a time. A letter
// that no longer exists is reported as ErrGone.
func (d *Replayer) inOrder(ctx context.Context, o *Order, p *Plan, most func() int, yield func(*dlq.Stored) error) error {
	for _, where := range o.origins() {
		for list := o.places[where]; len(list) > 0; {
			n := window(list, most())
			letters, err := d.fetchAll(ctx, list[:n], p.alive)
			if err != nil {
				return err
			}
			for i, s := range letters {
				id := dlq.ID{Topic: d.cfg.Reader.Topic(), Partition: list[i].partition, Offset: list[i].letter}
				if s == nil {
					p.leave(&dlq.Stored{ID: id}, ErrGone)
					continue
				}
				if is, event := placeOf(s); is != where || event != list[i].event { // of a recreated topic
					p.leave(&dlq.Stored{ID: id}, ErrGone)
					continue
				}
				letters[i] = nil
				if err := yield(s); err != nil {
					return err
				}
			}
			list = list[n:]
		}
	}
	return nil
}

// leap is the distance in offsets between two letters from which they are read by separate
// requests.
const leap = 2000

// fetchAll reads letters in the order of their offsets, and returns them in the order of the
// list; nil for one that is missing.
func (d *Replayer) fetchAll(ctx context.Context, list []noted, alive func() error) ([]*dlq.Stored, error) {
	found := make([]*dlq.Stored, len(list))
	byOffset := make([]int, len(list))
	for i := range byOffset {
		byOffset[i] = i
	}
	slices.SortFunc(byOffset, func(a, b int) int {
		return cmp.Or(cmp.Compare(list[a].partition, list[b].partition), cmp.Compare(list[a].letter, list[b].letter))
	})
	for len(byOffset) > 0 {
		// Letters of one partition that are near each other are read together.
		n := 1
		for n < len(byOffset) && list[byOffset[n]].partition == list[byOffset[0]].partition && list[byOffset[n]].letter-list[byOffset[n-1]].letter <= leap {
			n++
		}
		if err := d.fetchRun(ctx, list, byOffset[:n], found, alive); err != nil {
			return nil, err
		}
		byOffset = byOffset[n:]
	}
	return found, nil
}

// fetchRun reads letters of one partition, in order of their offsets.
func (d *Replayer) fetchRun(ctx context.Context, list []noted, byOffset []int, found []*dlq.Stored, alive func() error) error {
	first, last := list[byOffset[0]], list[byOffset[len(byOffset)-1]]
	for s, err := range d.cfg.Reader.Between(ctx, first.partition, first.letter, last.letter+1) {
		if err == nil && alive != nil {
			err = alive()
		}
		if err != nil {
			return err
		}
		for len(byOffset) > 0 && list[byOffset[0]].letter < s.ID.Offset {
			byOffset = byOffset[1:]
		}
		if len(byOffset) > 0 && list[byOffset[0]].letter == s.ID.Offset {
			found[byOffset[0]] = s
		}
	}
	return nil
}
