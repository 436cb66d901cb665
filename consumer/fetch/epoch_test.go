package fetch

import (
	"fmt"
	"testing"
)

// A position is verified by the epoch of what lies right below it (KIP-320), also that of a marker: otherwise
// the leader answers a lower end of the earlier epoch, and the log looks like another one.
func TestTheEpochBelowAPositionIsTheMarkersToo(t *testing.T) {
	of := func(epoch uint32, b logBatch) []byte {
		b.epoch = epoch
		return b.bytes()
	}
	plain := func(base int64, deltas ...int64) logBatch { return logBatch{base: base, records: at(deltas...)} }
	ends := func(base int64) logBatch {
		return logBatch{base: base, attributes: transactional | control, producer: 1, records: []rec{{key: []byte{0, 0, 0, 1}, value: []byte{0, 0, 0, 0, 0, 9}}}}
	}
	for _, c := range []struct {
		name string
		log  []byte
		from int64
		want string // offset:epoch<before of each record, then the position's
	}{
		{"nothing", nil, 5, "5<-1"},
		{"records of two leaders", join(of(3, plain(0, 0, 1)), of(4, plain(2, 0))), 0, "0:3<-1 1:3<3 2:4<3 3<4"},
		{"a marker of another leader between", join(of(3, plain(0, 0)), of(4, ends(1)), of(4, plain(2, 0))), 0, "0:3<-1 2:4<4 3<4"},
		{"a marker of another leader at the end", join(of(3, plain(0, 0)), of(4, ends(1))), 0, "0:3<-1 2<4"},
		{"a marker in front", join(of(3, ends(0)), of(4, plain(1, 0))), 0, "1:4<3 2<4"},
		{"what compaction emptied", join(of(3, plain(0, 0)), of(5, logBatch{base: 1, lastDelta: 8}), of(6, plain(10, 0))), 0, "0:3<-1 10:6<5 11<6"},
		{"asked from the middle of a batch", of(3, plain(0, 0, 1, 2)), 1, "1:3<3 2:3<3 3<3"},
		{"the head of a batch removed", join(of(3, plain(0, 0)), of(4, plain(1, 5))), 0, "0:3<-1 6:4<4 7<4"},
		{"the tail of a batch removed", of(4, logBatch{base: 0, records: at(0), lastDelta: 5}), 0, "0:4<-1 6<4"},
		{"asked from the tail that was removed", of(4, logBatch{base: 0, records: at(0), lastDelta: 5}), 3, "6<4"},
		{"a batch wholly before", join(of(3, plain(0, 0)), of(4, plain(1, 0))), 1, "1:4<3 2<4"},
		{"an epoch that is none", of(1<<32-7, plain(0, 0)), 0, "0:-1<-1 1<-1"},
	} {
		got := ""
		rd := answer(c.log).Records(c.from, roomy)
		for {
			rec, err := rd.Next()
			if err != nil {
				break
			}
			got += fmt.Sprintf("%d:%d<%d ", rec.Offset, rec.Epoch, rd.Before())
		}
		if got += fmt.Sprintf("%d<%d", rd.Position(), rd.Epoch()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
