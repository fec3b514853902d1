package ownership

import (
	"testing"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestPeer: another member that lives and owns a shard, whichever shard the search begins at.
func TestPeer(t *testing.T) {
	s := joined(t, membership.Timing{})
	if p, ok := s.core.Peer(0, record.Ref{}); ok {
		t.Errorf("a node that is alone has the peer %+v", p)
	}
	s.hint(s.putMember(refB, record.Member{State: record.Leaving, Counter: 7}))
	s.hint(s.putMember(refC, record.Member{State: record.Dead, Counter: 9}))
	s.hint(s.putShard(2, record.Shard{Owner: refB, Epoch: 2}))
	s.hint(s.putShard(3, record.Shard{Owner: refC, Epoch: 2}))
	s.hint(s.putShard(4, record.Shard{Owner: record.Ref{Name: "d", Incarnation: "1"}, Epoch: 2})) // not known
	for from := range uint32(3 * scriptShards) {
		for _, of := range []record.Ref{{}, refB} {
			if p, ok := s.core.Peer(from, of); !ok || p != (Peer{refB, 7, 2}) {
				t.Errorf("from %d, of %q: %+v, %v", from, of, p, ok)
			}
		}
		for _, of := range []record.Ref{refA, refC} {
			if p, ok := s.core.Peer(from, of); ok {
				t.Errorf("from %d, of %q: %+v", from, of, p)
			}
		}
	}
}
