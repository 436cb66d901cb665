package queue

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// model is a naive model of a partition's records: it searches them all each time.
type model struct {
	*rapid.T
	q     Queues[*record]
	times Timetable[*record]
	all   []*record // unfinished, by offset
	// lines are the queues as they must be, by kind.
	lines [kinds][]*record
	open  []*record
	next  int // offset
}

func (m *model) head(r *record) bool {
	for _, o := range m.all {
		if o.Key() == r.Key() && (r.Key() != "" || o == r) {
			return o == r
		}
	}
	return false
}

func (m *model) pick(of []*record) *record { return rapid.SampledFrom(of).Draw(m.T, "which") }

func without(of []*record, r *record) []*record {
	return slices.DeleteFunc(slices.Clone(of), func(o *record) bool { return o == r })
}

// stands notes that a record must be ready now in a queue.
func (m *model) stands(r *record, k Kind) {
	if r.Unloaded {
		r.line, k = k, Unloaded
	}
	m.lines[k] = append(m.lines[k], r)
}

func (m *model) join() {
	r := &record{offset: m.next}
	m.next++
	r.Of, r.Cost = r, rapid.IntRange(1, 9).Draw(m.T, "cost")
	r.Unloaded = rapid.IntRange(0, 5).Draw(m.T, "large") == 0
	key := rapid.SampledFrom([]string{"", "", "a", "b", "c"}).Draw(m.T, "key")
	readied := m.q.Join(&r.Item, key)
	m.all = append(m.all, r)
	if readied != m.head(r) {
		m.Fatalf("record %d of %q became ready: %v", r.offset, key, readied)
	}
	if readied {
		m.stands(r, Fresh)
	}
}

// leave finishes a record; the next of its key is ready.
func (m *model) leave(r *record) {
	key := r.Key()
	m.q.Leave(&r.Item)
	m.all = without(m.all, r)
	m.open = without(m.open, r)
	for _, o := range m.all {
		if key != "" && o.Key() == key {
			m.stands(o, Fresh)
			break
		}
	}
}

// take takes the next record. It must be one of those that stand first.
func (m *model) take() {
	probe := rapid.Bool().Draw(m.T, "probe")
	order := []Kind{Fresh, Due, Turn}
	if !probe && m.q.dueNext {
		order = []Kind{Due, Turn, Fresh}
	}
	var want *record
	for _, k := range order {
		if want == nil && len(m.lines[k]) > 0 {
			want, m.lines[k] = m.lines[k][0], m.lines[k][1:]
		}
	}
	if got := m.q.Next(probe); got != want {
		m.Fatalf("took %v, want %v", got, want)
	}
	if want != nil {
		m.opened(want)
	}
}

func (m *model) opened(r *record) {
	m.q.Open(&r.Item)
	r.quota = ""
	m.open = append(m.open, r)
}

// takeFirst takes the first unfinished record, if it may be taken.
func (m *model) takeFirst() {
	if len(m.all) == 0 {
		return
	}
	r, may := m.all[0], false
	for _, k := range []Kind{Fresh, Due, Turn} {
		if slices.Contains(m.lines[k], r) {
			may, m.lines[k] = true, without(m.lines[k], r)
		}
	}
	if m.q.Take(&r.Item) != may {
		m.Fatalf("record %d may be taken: want %v", r.offset, may)
	}
	if may {
		m.opened(r)
	}
}

// again ends a try without ending the record.
func (m *model) again() {
	if len(m.open) == 0 {
		return
	}
	r := m.pick(m.open)
	m.open = without(m.open, r)
	r.Unloaded = rapid.IntRange(0, 5).Draw(m.T, "large") == 0
	r.quota = rapid.SampledFrom([]string{"", "p", "q"}).Draw(m.T, "quota")
	timed := rapid.Bool().Draw(m.T, "timed")
	if timed {
		m.times.Add(&r.Item, epoch.Add(time.Duration(rapid.IntRange(0, 20).Draw(m.T, "until"))), rapid.Bool().Draw(m.T, "firm"))
	}
	m.q.Block(&r.Item, r.quota)
	if !timed {
		m.q.Turn(&r.Item)
		m.stands(r, Turn)
	}
}

func (m *model) held() (held []*record) {
	for _, r := range m.all {
		if r.State() == Held {
			held = append(held, r)
		}
	}
	slices.SortStableFunc(held, func(a, b *record) int { return a.until.Compare(b.until) })
	return held
}

// due ends waits: the first one, any one, or all that are not firm.
func (m *model) due() {
	held := m.held()
	if len(held) == 0 {
		return
	}
	var ended []*record
	switch rapid.IntRange(0, 2).Draw(m.T, "ends") {
	case 0:
		r, at := m.times.First()
		if !at.Equal(held[0].until) || !at.Equal(r.until) {
			m.Fatalf("the first is held until %v, want %v", at, held[0].until)
		}
		m.times.Remove(&r.Item)
		ended = append(ended, r)
	case 1:
		r := m.pick(held)
		m.times.Remove(&r.Item)
		ended = append(ended, r)
	default:
		ended = m.times.Hasten()
		want := slices.DeleteFunc(held, func(r *record) bool { return r.firm })
		if len(ended) != len(want) || !slices.IsSortedFunc(ended, func(a, b *record) int { return a.until.Compare(b.until) }) {
			m.Fatalf("%d were hastened, in order or not, want %d", len(ended), len(want))
		}
	}
	for _, r := range ended {
		if rapid.IntRange(0, 3).Draw(m.T, "opened at once") == 0 && !r.Unloaded {
			m.opened(r)
			continue
		}
		m.q.Due(&r.Item)
		m.stands(r, Due)
	}
}

// load reads bytes, or gives them up.
func (m *model) load() {
	if r := m.q.Head(Unloaded); r != nil {
		if !m.q.Load(&r.Item) || r != m.lines[Unloaded][0] || r.State() != Loading {
			m.Fatalf("record %d is loaded, want %d", r.offset, m.lines[Unloaded][0].offset)
		}
		m.lines[Unloaded] = m.lines[Unloaded][1:]
		then := r.line
		switch rapid.IntRange(0, 3).Draw(m.T, "loaded") {
		case 0:
			m.leave(r)
			return
		case 1:
			m.times.Add(&r.Item, epoch, false)
			return
		case 2:
			m.q.Unload(&r.Item)
			m.stands(r, then)
			return
		}
		m.q.Loaded(&r.Item)
		m.lines[then] = append([]*record{r}, m.lines[then]...)
		if rapid.Bool().Draw(m.T, "given up") {
			m.lines[then] = m.lines[then][1:]
			m.q.Unload(&r.Item)
			m.stands(r, then)
		}
	} else if len(m.lines[Unloaded]) > 0 {
		m.Fatalf("nothing is loaded of %d", len(m.lines[Unloaded]))
	}
}

func (m *model) check() {
	var bytes int
	var blocked Tally
	quotas, longest := map[string]Tally{}, map[string]*record{}
	keys := map[string]bool{}
	var tried []int
	for _, r := range m.all {
		bytes += r.Cost
		if keys[r.Key()] = true; !m.head(r) && r.State() != Waiting {
			m.Fatalf("record %d is in state %d behind another one", r.offset, r.State())
		}
		if l := r.keyQueue; l.blocked {
			blocked.add(1, r.Cost)
			name := l.head.Of.quota
			t := quotas[name]
			t.add(1, r.Cost)
			if quotas[name] = t; r.Blocking() && longest[name] == nil {
				longest[name] = r
			}
		}
	}
	delete(keys, "")
	if m.q.Bytes() != bytes || len(m.q.byKey) != len(keys) || m.q.Blocked() != blocked {
		m.Fatalf("%d bytes of %d keys, %+v blocked; want %d, %d, %+v", m.q.Bytes(), len(m.q.byKey), m.q.Blocked(), bytes, len(keys), blocked)
	}
	for _, name := range []string{"p", "q"} {
		if m.q.Quota(name) != quotas[name] || m.q.Longest(name) != longest[name] {
			m.Fatalf("of %s: %+v, the longest %v; want %+v, %v", name, m.q.Quota(name), m.q.Longest(name), quotas[name], longest[name])
		}
	}
	if len(m.q.quotas) > 2 || len(quotas) == 0 && len(m.q.quotas) > 0 {
		m.Fatalf("%d quotas are kept of %d", len(m.q.quotas), len(quotas))
	}
	for k := range kinds {
		if m.q.Count(k) != len(m.lines[k]) {
			m.Fatalf("%d in queue %d, want %d", m.q.Count(k), k, len(m.lines[k]))
		}
		for _, r := range m.lines[k] {
			if r.State() != Ready || r.In() != k {
				m.Fatalf("record %d is in state %d, in queue %d, want %d", r.offset, r.State(), r.In(), k)
			}
			if r.Blocking() {
				tried = append(tried, r.offset)
			}
		}
	}
	var told []int
	for r := range m.q.Tried() {
		told = append(told, r.offset)
	}
	if !slices.Equal(told, tried) {
		m.Fatalf("%v are told to be ready for another try, want %v", told, tried)
	}
	if m.times.Len() != len(m.held()) {
		m.Fatalf("%d are timed, want %d", m.times.Len(), len(m.held()))
	}
}

func TestQueuesAgreeWithANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{T: t, q: New[*record](), times: NewTimetable[*record]()}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				m.join()
			case 3, 4:
				m.take()
			case 5:
				m.takeFirst()
			case 6:
				m.again()
			case 7:
				m.due()
			case 8:
				m.load()
			default:
				if len(m.open) > 0 {
					m.leave(m.pick(m.open))
				}
			}
			m.check()
		}
	})
}

// Fresh and tried records alternate; a probe takes fresh records first.
func TestTriedRecordsTakeTurnsWithTheOthers(t *testing.T) {
	for probe, want := range map[bool]string{false: "[0 3 1 4 2 5]", true: "[0 1 2 3 4 5]"} {
		q := New[*record]()
		tried := make([]*record, 0, 3)
		for offset := range 6 {
			r := &record{offset: offset}
			r.Of = r
			if q.Join(&r.Item, ""); offset >= 3 {
				tried = append(tried, r)
			}
		}
		for _, r := range tried {
			q.Take(&r.Item)
			q.Open(&r.Item)
			q.Block(&r.Item, "")
			q.Turn(&r.Item)
		}
		var taken []int
		for r := q.Next(probe); r != nil; r = q.Next(probe) {
			taken = append(taken, r.offset)
		}
		if got := fmt.Sprint(taken); got != want {
			t.Errorf("probe %v: taken in the order %s, want %s", probe, got, want)
		}
	}
}
