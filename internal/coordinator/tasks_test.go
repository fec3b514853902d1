package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
)

// overlapping is a node whose shards take long to end when they are lost, and that
// knows which have not.
type overlapping struct {
	*member
	mu     sync.Mutex
	ending map[uint32]bool
	opens  int
}

func (n *overlapping) Open(ctx context.Context, g *standing.Standing) (Shard, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ending[g.Shard] {
		n.cl.t.Errorf("shard %d is opened in epoch %d while its last service here still ends", g.Shard, g.Epoch)
	}
	n.opens++
	s, err := n.member.Open(ctx, g)
	return &endsSlowly{Shard: s, n: n, id: g.Shard}, err
}

type endsSlowly struct {
	Shard
	n  *overlapping
	id uint32
}

func (s *endsSlowly) Drop(ctx context.Context) error {
	s.set(true)
	defer s.set(false)
	time.Sleep(8 * time.Second)
	return s.Shard.Drop(ctx)
}

func (s *endsSlowly) set(ending bool) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	s.n.ending[s.id] = ending
}

// TestTasksOfAShardWaitForEachOther: a node is declared dead, and comes again, while
// what it has served still comes to its end.
func TestTasksOfAShardWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		n := &overlapping{member: cl.member("a"), ending: map[uint32]bool{}}
		cl.run(n.member, n, 0)
		time.Sleep(5 * time.Second)
		for done := false; !done; { // somebody declares it dead
			entries, _, _ := cl.store.Snapshot(t.Context(), record.MemberPrefix)
			rec, err := record.Decode[record.Member](entries[0].Value)
			if err != nil {
				t.Fatal(err)
			}
			rec.State = record.Dead
			value, err := json.Marshal(rec)
			if err != nil {
				t.Fatal(err)
			}
			_, err = cl.store.Write(t.Context(), entries[0].Key, entries[0].Rev, value)
			if done = err == nil; !done && !errors.Is(err, membership.ErrConflict) {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		cl.wantOwners("a")
		n.mu.Lock()
		if n.opens != 2*shards {
			t.Errorf("shards were opened %d times, want each of %d twice", n.opens, shards)
		}
		n.mu.Unlock()
		end(n.member)
	})
}
