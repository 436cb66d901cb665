package scenario

import (
	"context"
	"encoding/binary"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/doctor"
)

// ear notes the newest version of each API in which requests are sent.
type ear struct {
	mu    sync.Mutex
	heard map[kmsg.Key]int16
}

// hearing is a connection that an ear hears.
type hearing struct {
	net.Conn
	ear  *ear
	mu   sync.Mutex
	next []byte // what was written of a request whose beginning is not whole
	rest int    // of the request that is being written
}

// The header of a request: its size, its API's key and version.
const requestHeader = 8

func (h *hearing) Write(p []byte) (int, error) {
	h.mu.Lock()
	for b := p; len(b) > 0; {
		if skip := min(h.rest, len(b)); skip > 0 {
			h.rest, b = h.rest-skip, b[skip:]
			continue
		}
		take := min(requestHeader-len(h.next), len(b))
		h.next, b = append(h.next, b[:take]...), b[take:]
		if len(h.next) == requestHeader {
			h.ear.hear(kmsg.Key(binary.BigEndian.Uint16(h.next[4:])), int16(binary.BigEndian.Uint16(h.next[6:])))
			h.rest, h.next = int(binary.BigEndian.Uint32(h.next))+4-requestHeader, nil
		}
	}
	h.mu.Unlock()
	return h.Conn.Write(p)
}

func (e *ear) hear(key kmsg.Key, version int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard[key] = max(version, e.heard[key])
}

// What the service can do without, at the start and later: it logs what it cannot see then. By ApiVersions it asks
// what a broker supports.
var notNeeded = []kmsg.Key{kmsg.ApiVersions, kmsg.DescribeConfigs, kmsg.DescribeGroups, kmsg.ConsumerGroupDescribe, kmsg.ListGroups, kmsg.CreateTopics, kmsg.DescribeClientQuotas}

// doctor checks the brokers for exactly the APIs and versions that the service sends, by either group protocol.
func TestDoctorChecksTheAPIsThatTheServiceUses(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			inVirtualTime(t, 3, func(w *world) {
				e := &ear{heard: map[kmsg.Key]int16{}}
				dial := func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := w.Net.Dial(ctx, network, address)
					if err != nil || address == "127.0.0.1:80" {
						return conn, err
					}
					return &hearing{Conn: conn, ear: e}, nil
				}
				for n := range 2 { // the second one verifies what the first has committed
					r := w.StartOn(dial, "KAFKA_GROUP_PROTOCOL", string(protocol))
					w.orderKeys(10*n, 10*n+10)
					w.Produce(1, "no event")
					w.Until("the commits", w.AllCommitted(1, int64(10*n+10)))
					time.Sleep(10 * time.Second) // it sends heartbeats
					w.End(r)                     // which leaves the group
				}
				needs := map[kmsg.Key]int16{}
				for _, s := range doctor.Spoken(protocol) {
					needs[s.Key] = s.Newest
				}
				for _, key := range slices.Sorted(maps.Keys(e.heard)) {
					if newest, needed := needs[key]; !slices.Contains(notNeeded, key) && (!needed || newest != e.heard[key]) {
						t.Errorf("%s is sent in version %d; doctor knows of %d, %v", key.Name(), e.heard[key], newest, needed)
					}
				}
				for key := range needs {
					if _, sent := e.heard[key]; !sent {
						t.Errorf("doctor looks for %s, which is never sent", key.Name())
					}
				}
			})
		})
	}
}
