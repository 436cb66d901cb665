package dlq

import (
	"cmp"
	"slices"
)

// mark is the newest state of a letter, in 16 bytes.
type mark struct {
	offset  int64
	written uint32 // the low bits of the letter's timestamp
	state   uint8
}

var states = []State{Open, Replayed, Closed}

// marks are one partition's, first as they came, then ordered by offset.
type marks struct {
	list   []mark
	sorted int            // list[:sorted] is ordered and holds each offset once
	recent map[int64]mark // newer than list, where list has been ordered
}

func (m *marks) add(k mark) {
	if m.recent != nil {
		m.recent[k.offset] = k
		if len(m.recent) <= max(1<<16, len(m.list)/4) {
			return
		}
		m.settle()
		return
	}
	m.list = append(m.list, k)
	if len(m.list) > 2*m.sorted+1<<16 {
		m.order() // entries of one letter, of which only the last counts, must not pile up
	}
}

// order sorts the list and keeps the last mark of each letter.
func (m *marks) order() {
	slices.SortStableFunc(m.list, func(a, b mark) int { return cmp.Compare(a.offset, b.offset) })
	kept := m.list[:0]
	for i, k := range m.list {
		if i+1 < len(m.list) && m.list[i+1].offset == k.offset {
			continue
		}
		kept = append(kept, k)
	}
	m.list, m.sorted = kept, len(kept)
}

func (m *marks) find(offset int64) (mark, bool) {
	if m.recent == nil {
		m.order()
		m.recent = map[int64]mark{}
	}
	if k, is := m.recent[offset]; is {
		return k, true
	}
	i, found := slices.BinarySearchFunc(m.list, offset, func(k mark, o int64) int { return cmp.Compare(k.offset, o) })
	if !found {
		return mark{}, false
	}
	return m.list[i], true
}

// settle puts the newer ones into the list.
func (m *marks) settle() {
	for _, k := range m.recent {
		m.list = append(m.list, k)
	}
	m.order()
	clear(m.recent)
}

// below gives letters before an offset that have a state, most of them at the most.
func (m *marks) below(offset int64, most int) (letters []int64) {
	m.settle()
	for _, k := range m.list {
		if k.offset >= offset || len(letters) == most {
			break
		}
		if k.state != 0 {
			letters = append(letters, k.offset)
		}
	}
	return letters
}
