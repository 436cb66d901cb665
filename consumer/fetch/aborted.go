package fetch

import (
	"cmp"
	"slices"
)

// abortedSize is the size of an aborted transaction in an answer.
const abortedSize = 16

// abortedTransaction is an entry of the answer's list: a transaction of producer that began at first and was,
// or will be, aborted. It ends at the producer's next abort marker in the log.
type abortedTransaction struct {
	producer, first int64
}

// abortedList tells which batches are aborted while a log is read in order.
type abortedList struct {
	// waiting holds the transactions that have not begun at the last batch seen, by ascending first offset.
	waiting []abortedTransaction
	// open holds the producers whose aborted transaction has begun and whose marker has not been seen.
	open map[int64]bool
}

func newAbortedList(transactions []abortedTransaction) abortedList {
	if len(transactions) == 0 {
		return abortedList{}
	}
	waiting := slices.Clone(transactions) // the answer may be read again
	slices.SortFunc(waiting, func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) })
	return abortedList{waiting: waiting, open: make(map[int64]bool)}
}

// advance opens the transactions that have begun at offset. Offsets come in ascending order.
func (l *abortedList) advance(offset int64) {
	for len(l.waiting) > 0 && l.waiting[0].first <= offset {
		l.open[l.waiting[0].producer] = true
		l.waiting = l.waiting[1:]
	}
}

// holds reports whether the producer's transactional batch is aborted.
func (l *abortedList) holds(producer int64) bool { return l.open[producer] }

func (l *abortedList) ended(producer int64) { delete(l.open, producer) }
