package coordinator

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// lingering notes when its shards end, and how long they stay subscribed after they have moved.
type lingering struct {
	*member
	mu     sync.Mutex
	last   time.Time
	stayed []time.Duration
}

type lingers struct {
	Shard
	n       *lingering
	drained time.Time
}

func (n *lingering) Open(ctx context.Context, g *standing.Standing) (Shard, error) {
	s, err := n.member.Open(ctx, g)
	return &lingers{Shard: s, n: n}, err
}

func (s *lingers) Drain(ctx context.Context) (outcome.DrainCounts, error) {
	defer func() { s.drained = time.Now() }()
	return s.Shard.Drain(ctx)
}

func (s *lingers) Close() error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	s.n.last = time.Now()
	s.n.stayed = append(s.n.stayed, time.Since(s.drained))
	return s.Shard.Close()
}

// TestNodeThatLeavesStaysForAWhile: the callers of its last shards need that time to hear that these have moved. The
// subscription of a shard is not needed for it.
func TestNodeThatLeavesStaysForAWhile(t *testing.T) {
	const linger = 2 * time.Second
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		b := cl.start("b")
		n := &lingering{member: cl.member("a")}
		cl.run(n.member, n, linger)
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		began := time.Now()
		end(n.member)
		if took := time.Since(n.last); took != linger || n.last.Sub(began) > time.Second {
			t.Errorf("the last shard moved after %v, and the node stayed %v longer, want %v", n.last.Sub(began), took, linger)
		}
		if len(n.stayed) == 0 {
			t.Error("no shard has moved")
		}
		for _, d := range n.stayed {
			if d != 0 {
				t.Errorf("a shard that has moved was subscribed for %v", d)
			}
		}
		end(b)
	})
}

// askedIn is a store that asks its node to leave at the nth operation: before it, or
// when it has been done.
type askedIn struct {
	membership.Store
	mu    sync.Mutex
	left  int
	after bool
	leave context.CancelFunc
}

func (s *askedIn) operation() (end func()) {
	s.mu.Lock()
	s.left--
	now := s.left == 0
	s.mu.Unlock()
	switch {
	case !now:
	case s.after:
		return s.leave
	default:
		s.leave()
	}
	return func() {}
}

func (s *askedIn) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	defer s.operation()()
	return s.Store.Write(ctx, key, rev, value)
}

func (s *askedIn) Read(ctx context.Context, key string) (membership.Entry, error) {
	defer s.operation()()
	return s.Store.Read(ctx, key)
}

func (s *askedIn) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	defer s.operation()()
	return s.Store.Snapshot(ctx, prefix)
}

func (s *askedIn) Watch(f func(membership.Entry)) (func(), error) {
	defer s.operation()()
	return s.Store.Watch(f)
}

// TestLeaveAtAnyMomentOfAStart: at each operation on the store from the first on, in
// a new cluster and in one that runs. No record says that the node is there still.
func TestLeaveAtAnyMomentOfAStart(t *testing.T) {
	for _, others := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			for at, begun := 1, true; begun; at++ {
				t.Run(fmt.Sprintf("others %v, operation %d, after %v", others, at, after), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { begun = leaveAt(t, others, at, after) })
				})
			}
		}
	}
}

// leaveAt reports whether the node was asked to leave before it was settled.
func leaveAt(t *testing.T, others bool, at int, after bool) (before bool) {
	cl := newCluster(t)
	if others {
		b := cl.start("b")
		time.Sleep(20 * time.Second)
		defer end(b)
	}
	m, settled := cl.member("a"), cl.settled.Load()
	s := &askedIn{Store: cl.store, left: at, after: after, leave: func() { before = cl.settled.Load() == settled; m.stop() }}
	m.store = s
	cl.run(m, m, 0)
	ended := time.NewTimer(time.Minute)
	select {
	case err := <-m.ended:
		if err != nil {
			t.Errorf("the node ends with %v", err)
		}
	case <-ended.C:
		t.Error("the node has not ended after a minute")
		m.stop()
		<-m.ended
	}
	entries, _, _ := cl.store.Snapshot(t.Context(), record.MemberPrefix)
	for _, e := range entries {
		ref, _ := record.ParseMemberKey(e.Key)
		if rec, err := record.Decode[record.Member](e.Value); ref.Name == "a" && (err != nil || rec.State != record.Left) {
			t.Errorf("it has left, and its record says %q (%v)", rec.State, err)
		}
	}
	return before
}

// TestLeaveOfANodeThatNeverReachedTheStore: it has nothing to hand over, and nobody
// waits for it.
func TestLeaveOfANodeThatNeverReachedTheStore(t *testing.T) {
	for _, cutAfter := range []time.Duration{0, time.Millisecond, 600 * time.Millisecond, 1200 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			cl := newCluster(t)
			b := cl.start("b")
			time.Sleep(20 * time.Second)
			m := cl.member("a")
			m.cut.Store(cutAfter == 0)
			cl.run(m, m, 0)
			time.Sleep(cutAfter)
			m.cut.Store(true)
			time.Sleep(700 * time.Millisecond)
			began := time.Now()
			end(m)
			if took := time.Since(began); took > sayTimeout {
				t.Errorf("cut off after %v: it leaves within %v", cutAfter, took)
			}
			end(b)
		})
	}
}
