package coordinator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
)

// slowly is a node whose shards take long to drain.
type slowly struct {
	*member
	takes time.Duration
}

type slow struct {
	Shard
	takes time.Duration
}

func (n slowly) Open(ctx context.Context, g *standing.Standing) (Shard, error) {
	s, err := n.member.Open(ctx, g)
	return slow{s, n.takes}, err
}

func (s slow) Drain(ctx context.Context) (outcome.DrainCounts, error) {
	time.Sleep(s.takes)
	return s.Shard.Drain(ctx)
}

// TestLastToLeaveWaitsWithoutShards: the last of those that leave waits for the shards of
// the others also where it has none yet, and for no longer than it may.
func TestLastToLeaveWaitsWithoutShards(t *testing.T) {
	for name, c := range map[string]struct{ takes, from, to time.Duration }{
		"they come":          {8 * time.Second, 5 * time.Second, 9 * time.Second},
		"they come too late": {time.Minute, 19 * time.Second, 22 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t)
				a := slowly{cl.member("a"), c.takes}
				cl.run(a.member, a, 0)
				time.Sleep(20 * time.Second)
				b := cl.start("b")
				time.Sleep(5 * time.Second) // a begins to drain
				if owners := cl.owners(); owners["b"] > 0 {
					t.Fatalf("b has shards already: %v", owners)
				}
				began := time.Now()
				a.stop()
				time.Sleep(10 * time.Millisecond)
				b.stop()
				<-b.ended
				if took := time.Since(began); took < c.from || took > c.to {
					t.Errorf("the last to leave ends after %v, want %v to %v", took, c.from, c.to)
				}
				<-a.ended
				time.Sleep(10 * time.Minute) // until its shards have drained
			})
		})
	}
}

// late is a node whose shards open half a second after it was asked to leave.
type late struct {
	*member
	asked chan struct{}
	left  chan time.Duration // for the move, when the drain begins
}

type lateShard struct {
	Shard
	n late
	g *standing.Standing
}

func (n late) Open(ctx context.Context, g *standing.Standing) (Shard, error) {
	<-n.asked
	time.Sleep(500 * time.Millisecond)
	s, err := n.member.Open(ctx, g)
	return lateShard{s, n, g}, err
}

func (s lateShard) Drain(ctx context.Context) (outcome.DrainCounts, error) {
	s.n.left <- time.Until(s.g.Stages().End)
	return s.Shard.Drain(ctx)
}

// TestAMoveHasOneDeadline: it runs from the moment at which the shard begins to move, also
// where the shard opens after it.
func TestAMoveHasOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := late{cl.member("a"), make(chan struct{}), make(chan time.Duration, shards)}
		cl.run(a.member, a, 0)
		time.Sleep(5 * time.Second)
		a.stop()
		close(a.asked)
		a.wantEnd(nil)
		if n := len(a.left); n != shards {
			t.Fatalf("%d of %d shards were drained", n, shards)
		}
		for range shards {
			if left := <-a.left; left != 9500*time.Millisecond {
				t.Errorf("%v are left of 10 s when the drain begins half a second later", left)
			}
		}
	})
}
