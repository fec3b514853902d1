package routes

import (
	"context"
	"log/slog"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
)

// way is a way to a node.
type way struct {
	Node
	busy bool
}

func (w *way) Quiet() bool { return !w.busy }

// net is the end of the routes in a test.
type net struct {
	asked, heard atomic.Int64
	lists        map[uint32]bool
}

func (*net) Box(node string) *way      { return &way{Node: Node{Name: node}} }
func (n *net) Lists(shard uint32) bool { return n.lists[shard] }
func (n *net) Send([]byte)             { n.asked.Add(1) }
func (n *net) Hear()                   { n.heard.Add(1) }
func ofOne(node string, epoch uint64) []byte { // of one shard
	return wire.AppendOwners(nil, &wire.Owners{NumShards: 1, Owners: []wire.Owner{{Epoch: epoch, Node: node}}})
}

func routes(t *testing.T) (*Routes[*way], *net) {
	n, clock := &net{}, new(expiry.Set)
	t.Cleanup(clock.Stop)
	rs := New("me", n, clock, slog.New(slog.DiscardHandler))
	rs.barred, rs.quiet = math.MinInt64, math.MinInt64 // a bubble's time is before the process's
	return rs, n
}

// TestLearn: what a node and an announcement say of a shard, one after the other, and the owner that is known then.
func TestLearn(t *testing.T) {
	type word struct {
		epoch uint64
		node  string
		told  bool
		doubt bool // the route before is in doubt
	}
	for name, c := range map[string]struct {
		words []word
		node  string
		epoch uint64
		told  bool
	}{
		"the first word":                          {[]word{{5, "a", false, false}}, "a", 5, false},
		"an older word":                           {[]word{{5, "a", true, false}, {4, "b", true, false}}, "a", 5, true},
		"an announcement of a later epoch":        {[]word{{5, "a", true, false}, {6, "b", false, false}}, "b", 6, false},
		"a node confirms an announcement":         {[]word{{5, "a", false, false}, {5, "a", true, false}}, "a", 5, true},
		"a node contradicts an announcement":      {[]word{{7, "x", false, false}, {5, "a", true, false}}, "x", 7, false},
		"the same, and the route is in doubt":     {[]word{{7, "x", false, false}, {5, "a", true, true}}, "a", 5, true},
		"an announcement replaces no doubt":       {[]word{{7, "x", false, false}, {5, "a", false, true}}, "x", 7, false},
		"another node in the same epoch":          {[]word{{7, "x", false, false}, {7, "a", true, false}}, "x", 7, false},
		"a shard that waits for its next owner":   {[]word{{5, "a", true, false}, {6, "", true, false}}, "a", 5, true},
		"an older word of a node, and no doubt":   {[]word{{5, "a", true, false}, {4, "b", true, true}}, "b", 4, true},
		"a later word confirms nothing of before": {[]word{{5, "a", false, false}, {6, "a", true, false}}, "a", 6, true},
	} {
		rs, _ := routes(t)
		for _, w := range c.words {
			if w.doubt {
				rs.Get(0).Doubted()
			}
			rs.Learn(0, wire.Owner{Epoch: w.epoch, Node: w.node}, w.told)
		}
		if r := rs.Get(0); r.To.Name != c.node || r.Epoch != c.epoch || r.Told() != c.told {
			t.Errorf("%s: %s in epoch %d, told: %v", name, r.To.Name, r.Epoch, r.Told())
		}
		if nodes, shards := rs.Size(); nodes != 1 || shards != 1 {
			t.Errorf("%s: %d nodes and %d shards are known", name, nodes, shards)
		}
	}
}

// TestNodeIsForgotten when no route leads to it, unless something is on its way there.
func TestNodeIsForgotten(t *testing.T) {
	rs, _ := routes(t)
	rs.Learn(0, wire.Owner{Epoch: 1, Node: "a"}, true)
	a, _ := rs.To("a")
	a.busy = true
	rs.Learn(0, wire.Owner{Epoch: 2, Node: "b"}, true)
	rs.Learn(0, wire.Owner{Epoch: 3, Node: "c"}, true)
	if again, ok := rs.To("a"); !ok || again != a {
		t.Error("a node to which something is on its way is forgotten")
	}
	if _, ok := rs.To("b"); ok {
		t.Error("a quiet node without a route is known")
	}
}

// TestAsk: calls share a question, it is put until a node answers, and an answer of a moment ago is new enough.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs, n := routes(t)
		found := make(chan *Route[*way], 2)
		for range 2 {
			go func() { found <- rs.Ask(context.Background(), 0, nil, false) }() // ends with the answer
		}
		time.Sleep(3*Again + Again/2)
		if n.asked.Load() != 4 || n.heard.Load() != 1 {
			t.Errorf("asked %d times, and begun %d times to hear announcements", n.asked.Load(), n.heard.Load())
		}
		if err := rs.Answer(ofOne("a", 3)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if r := <-found; r == nil || r.To.Name != "a" || r.Epoch != 3 {
				t.Errorf("found %v", r)
			}
		}
		first := rs.Get(0)
		if r := rs.Ask(context.Background(), 0, first, false); r != nil || n.asked.Load() != 4 {
			t.Errorf("found %v, asked %d times", r, n.asked.Load())
		}
		rs.Stop()
		if r := rs.Ask(context.Background(), 0, first, true); r != nil || n.asked.Load() != 4 {
			t.Errorf("after the end: found %v, asked %d times", r, n.asked.Load())
		}
	})
}

// TestAskInVain: without an answer a question ends, and the nodes may be too busy. With the server's word that nobody hears it,
// there is no node.
func TestAskInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs, n := routes(t)
		began := time.Now()
		if r := rs.Ask(context.Background(), 0, nil, false); r != nil || time.Since(began) != Timeout || !rs.MayMove() {
			t.Errorf("found %v after %v", r, time.Since(began))
		}
		before := n.asked.Load()
		time.AfterFunc(time.Millisecond, rs.Nobody)
		began = time.Now()
		if r := rs.Ask(context.Background(), 0, nil, true); r != nil || time.Since(began) != time.Millisecond || rs.MayMove() || n.asked.Load() != before+1 {
			t.Errorf("found %v after %v, asked %d times", r, time.Since(began), n.asked.Load()-before)
		}
	})
}

// TestFixedLists: the first question waits for all nodes with such lists, and a later one until each known node has answered.
func TestFixedLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs, _ := routes(t)
		list := func(node string, runs ...uint32) {
			if err := rs.Answer(wire.AppendOwners(nil, &wire.Owners{Node: node, Runs: runs})); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(time.Millisecond, func() {
			list("a", 0, 2) // shards 0 and 1
			list("b", 2, 1) // shard 2
		})
		began := time.Now()
		if r := rs.Ask(context.Background(), 7, nil, false); r != nil || time.Since(began) != survey+time.Millisecond {
			t.Errorf("found %v after %v", r, time.Since(began))
		}
		if _, shards := rs.Size(); shards != 3 {
			t.Errorf("%d shards are known", shards)
		}
		time.AfterFunc(time.Millisecond, func() {
			list("b", 1, 2) // shards 1 and 2
			list("a", 0, 1) // shard 0
		})
		began = time.Now()
		if r := rs.Ask(context.Background(), 7, nil, true); r != nil || time.Since(began) != time.Millisecond {
			t.Errorf("found %v after %v", r, time.Since(began))
		}
		if r := rs.Get(0); r == nil || r.To.Name != "a" {
			t.Errorf("shard 0 is at %v", r)
		}
		if r := rs.Get(1); r != nil && r.To.Name == "a" {
			t.Error("shard 1 is still at a")
		}
	})
}
