// What a client knows of owners

package routes

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/shardtable"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
)

// End is what sends and hears for the routes. Its methods must not block.
type End[B Box] interface {
	// Box makes the way to a node.
	Box(node string) B
	// Lists reports whether this end serves a shard by a fixed list.
	Lists(shard uint32) bool
	// Send sends a question to the nodes. If that fails, it calls Settle.
	Send(question []byte)
	// Hear begins to hear announcements. If that fails, it calls Deaf.
	Hear()
}

// Box is the way to a node. It embeds a [Node].
type Box interface {
	comparable
	Known() *Node
	// Quiet reports whether nothing waits there, and nothing is sent.
	Quiet() bool
}

// Node is what is known of a node.
type Node struct {
	Name string
	Gone atomic.Bool // no node listens, or a call has waited in vain; an answer of the node makes it false

	// Guarded by Routes.mu.
	routes int      // that lead here
	serves []uint32 // the shards of its fixed list, in ascending order
	fixed  bool     // it has such a list, and answers questions
	since  uint64   // the question after which it was announced
	round  uint64   // of the question that it has last answered
}

// Known implements [Box].
func (n *Node) Known() *Node { return n }

// tells reports whether the node has named the shard when it answered a question.
func (n *Node) tells(shard uint32, round uint64) bool {
	return n.round == round && contains(n.serves, shard)
}

// Route is what is known of the owner of a shard. Another owner has another route: only the
// marks of a route change.
type Route[B Box] struct {
	Shard uint32
	Epoch uint64 // 0: with a fixed list
	To    B

	told  atomic.Bool // by a node: it is no mere announcement
	doubt atomic.Bool // the node did not serve the shard
	rival *Node       // a node whose fixed list has the shard too; nil: none is known. Guarded by Routes.mu
}

// Told reports whether a node has told of the route.
func (r *Route[B]) Told() bool { return r.told.Load() }

// Doubted notes that the node did not serve the shard. It returns true if that is news.
func (r *Route[B]) Doubted() bool { return r.doubt.CompareAndSwap(false, true) }

// Routes are the routes of an end.
//
// The known epoch of a shard only grows, because an answer may be older than an announcement.
// But a user with the right to announce may announce an epoch that does not exist. So a route
// that has led to no owner is in doubt, and the next word of a node replaces it.
type Routes[B Box] struct {
	asker[B]
	end   End[B]
	node  string // of this end
	log   *slog.Logger
	clock *expiry.Set
	table shardtable.Table[Route[B]] // set with mu held

	mu     sync.Mutex
	boxes  map[string]B // by node
	listed int          // shards on their fixed lists together
	swept  uint64       // 1 + the rounds when nodes that have gone were last forgotten to make room
}

// New returns routes without any. node is this end's.
func New[B Box](node string, end End[B], clock *expiry.Set, log *slog.Logger) *Routes[B] {
	rs := &Routes[B]{end: end, node: node, log: sparse.New(log), clock: clock, boxes: map[string]B{}}
	rs.asker.rs = rs
	return rs
}

// Get returns the route of a shard; nil if none is known.
func (rs *Routes[B]) Get(shard uint32) *Route[B] { return rs.table.Get(shard) }

// EpochOf returns the epoch in which the shard is owned, as far as is known.
func (rs *Routes[B]) EpochOf(shard uint32) uint64 {
	if r := rs.Get(shard); r != nil {
		return r.Epoch
	}
	return 0
}

// Follow takes the owner that the route's node has named when it refused the shard; the zero Owner is none.
func (rs *Routes[B]) Follow(r *Route[B], owner wire.Owner) {
	if owner.Epoch > r.Epoch || owner.Node != "" && !r.Told() { // an older one is the word of a node that lags
		r.doubt.Store(true)
		rs.Learn(r.Shard, owner, true)
	}
}

// Learn takes what is told of one shard's owner: by a node, or by an announcement, which may
// come from any user with the right to announce.
func (rs *Routes[B]) Learn(shard uint32, owner wire.Owner, told bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.learnOne(shard, owner, told)
}

// learnOne is called with mu held.
func (rs *Routes[B]) learnOne(shard uint32, owner wire.Owner, told bool) {
	old := rs.table.Get(shard)
	switch {
	case owner.Node == "":
		return // the shard waits for its next owner
	case old == nil || owner.Epoch > old.Epoch:
	case owner.Epoch == old.Epoch && owner.Node == old.To.Known().Name:
		if told {
			old.told.Store(true)
		}
		return
	case !told || !old.doubt.Load() && !old.To.Known().Gone.Load():
		return
	}
	r := &Route[B]{Shard: shard, Epoch: owner.Epoch, To: rs.box(owner.Node)}
	r.told.Store(told)
	rs.set(shard, old, r)
}

// set puts a route in the place of another. It is called with mu held.
func (rs *Routes[B]) set(shard uint32, old, r *Route[B]) {
	rs.table.Set(shard, r)
	if r != nil {
		r.To.Known().routes++
	}
	if old != nil {
		old.To.Known().routes--
		rs.forget(old.To)
	}
}

// box returns the way to a node. It is called with mu held.
func (rs *Routes[B]) box(node string) B {
	b, known := rs.boxes[node]
	if !known {
		b = rs.end.Box(node)
		rs.boxes[node] = b
	}
	return b
}

// To returns the way to a node that is known; ok is false for others.
func (rs *Routes[B]) To(node string) (b B, ok bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	b, ok = rs.boxes[node]
	return b, ok
}

// Each calls f with the ways to all nodes. No other is made meanwhile.
func (rs *Routes[B]) Each(f func(B)) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, b := range rs.boxes {
		f(b)
	}
}

// Size is how many nodes are known, and how many shards have a route.
func (rs *Routes[B]) Size() (nodes, shards int) {
	rs.Each(func(b B) {
		nodes++
		shards += b.Known().routes
	})
	return nodes, shards
}

// forget forgets a node to which no route leads, if nothing is on its way there. It is called with mu held.
func (rs *Routes[B]) forget(b B) {
	if n := b.Known(); n.routes == 0 && b.Quiet() {
		delete(rs.boxes, n.Name)
		rs.listed -= len(n.serves)
	}
}
