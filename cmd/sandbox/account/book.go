package account

import (
	"maps"
	"slices"
	"sync"

	"release-forwarder/cmd/sandbox/lanes"
	"release-forwarder/cmd/testkit/platform"
)

// Place is where a record lies in the event topic.
type Place struct {
	Partition int32
	Offset    int64
}

// Book is the ledger of the two ends: what the lanes sent and what the platform
// saw. Its zero value is empty; it is safe for concurrent use.
type Book struct {
	mu sync.Mutex
	// wants is what the platform must receive for an event under way; it is
	// dropped once it was compared. Guarded by mu, as all below.
	wants map[platform.Flow]map[string]string
	// places are the events that Kafka acknowledged.
	places map[Place]entry
	// seen is what the platform saw, by flow number.
	seen map[platform.Flow]*sighting
}

// entry is what the lanes say about the record at a place.
type entry struct {
	flow     platform.Flow
	orderKey string
	// reason is why it must be dead-lettered; "" for an event that maps.
	reason string
}

// sighting is what the platform saw of one flow number.
type sighting struct {
	// first is the number of the first request that brought it.
	first int
	// accepted counts the requests answered 1001 by the normal path; acceptedAt
	// is the number of the first of them, 0 for none.
	accepted, acceptedAt int
	// wrong names the parameters that are not what the lane meant.
	wrong []string
}

// Sending notes an event before it is sent; see [lanes.Sender].
func (b *Book) Sending(e lanes.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Want != nil {
		if b.wants == nil {
			b.wants = map[platform.Flow]map[string]string{}
		}
		b.wants[platform.Flow{Lot: e.Lot, No: e.Flow}] = e.Want
	}
}

// Acked notes where Kafka put an event.
func (b *Book) Acked(e lanes.Event, partition int32, offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.places == nil {
		b.places = map[Place]entry{}
	}
	b.places[Place{partition, offset}] = entry{
		flow: platform.Flow{Lot: e.Lot, No: e.Flow}, orderKey: orderKeyOf(e.Lot, e.Serial), reason: e.Reason,
	}
}

// Flow is the flow number of the event at a place.
func (b *Book) Flow(at Place) (flow platform.Flow, is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, is := b.places[at]
	return e.flow, is
}

func orderKeyOf(lot, serial string) string { return lot + "\x00" + serial }

// Answered notes a request that the platform's double has decided; see
// [platform.Config].
func (b *Book) Answered(r platform.Request) {
	flow := r.Flow()
	if flow == (platform.Flow{}) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[platform.Flow]*sighting{}
	}
	s := b.seen[flow]
	if s == nil {
		s = &sighting{first: r.Seq}
		b.seen[flow] = s
	}
	s.first = min(s.first, r.Seq)
	if r.Code != platform.CodeAccepted || r.Scripted {
		return
	}
	s.accepted++
	if s.acceptedAt == 0 || r.Seq < s.acceptedAt {
		s.acceptedAt = r.Seq
	}
	if want := b.wants[flow]; want != nil {
		s.wrong = differences(want, r.Params)
		delete(b.wants, flow)
	}
}

// differences names the parameters that differ, those the platform itself asks
// for left out.
func differences(want, got map[string]string) []string {
	names := map[string]bool{}
	for name, value := range want {
		if got[name] != value {
			names[name] = true
		}
	}
	for name := range got {
		if _, meant := want[name]; !meant && name != "sign" && name != "app_id" {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
