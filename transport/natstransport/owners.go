// What a client knows of owners

package natstransport

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/shardtable"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// owners is what a connection knows of which node owns which shard. It decides nothing: a
// node serves what it may, and says so.
//
// The known epoch of a shard only grows, because an answer may be older than an announcement.
// But a user with the right to announce may announce an epoch that does not exist. So a route
// that has led to no owner is in doubt, and the next word of a node replaces it.
type owners struct {
	t      *Transport
	routes shardtable.Table[route] // set with mu held

	mu     sync.Mutex
	boxes  map[string]*nodeBox // by node
	known  int                 // shards that have a route
	halted bool                // nothing goes to nodes
}

// route is what is known of the owner of a shard. Another owner has another route: only the
// marks of a route change.
type route struct {
	shard uint32
	epoch uint64 // 0: with a fixed list
	to    *nodeBox

	told  atomic.Bool // by a node: it is no mere announcement
	doubt atomic.Bool // the node did not serve the shard
	rival *nodeBox    // a node whose fixed list has the shard too; nil: none is known. Guarded by owners.mu
}

// doubted notes that the node did not serve the shard. It returns true if that is news.
func (r *route) doubted() bool { return r.doubt.CompareAndSwap(false, true) }

// follow takes the owner that the node has named when it refused the shard; the zero Owner is none.
func (r *route) follow(owner wire.Owner) {
	if owner.Epoch > r.epoch || owner.Node != "" && !r.told.Load() { // an older one is the word of a node that lags
		r.doubt.Store(true)
		r.to.t.owners.learn(r.shard, owner, true)
	}
}

// leadsHere reports whether an envelope to the route's shard needs no NATS. r may be nil.
func (r *route) leadsHere(env *transport.Envelope) bool {
	return r != nil && r.to.here && env.Type != turnsAt && env.Type != aliveAt // those are for the reader
}

// epochOf returns the epoch in which the shard is owned, as far as is known.
func (o *owners) epochOf(shard uint32) uint64 {
	if r := o.routes.Get(shard); r != nil {
		return r.epoch
	}
	return 0
}

// learn takes what is told of one shard's owner: by a node, or by an announcement, which may
// come from any user with the right to announce.
func (o *owners) learn(shard uint32, owner wire.Owner, told bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.learnOne(shard, owner, told)
}

// learnOne is called with owners.mu held.
func (o *owners) learnOne(shard uint32, owner wire.Owner, told bool) {
	old := o.routes.Get(shard)
	switch {
	case owner.Node == "":
		return // the shard waits for its next owner
	case old == nil || owner.Epoch > old.epoch:
	case owner.Epoch == old.epoch && owner.Node == old.to.node:
		if told {
			old.told.Store(true)
		}
		return
	case !told || !old.doubt.Load() && !old.to.gone.Load():
		return
	}
	r := &route{shard: shard, epoch: owner.Epoch, to: o.box(owner.Node)}
	r.told.Store(told)
	o.setRoute(shard, old, r)
}

// setRoute puts a route in the place of another. It is called with owners.mu held.
func (o *owners) setRoute(shard uint32, old, r *route) {
	o.routes.Set(shard, r)
	if r != nil {
		o.known++
		r.to.routes++
	}
	if old != nil {
		o.known--
		if old.to.routes--; old.to.routes == 0 && old.to.quiet() {
			delete(o.boxes, old.to.node)
		}
	}
}

// box returns the way to a node. It is called with owners.mu held.
func (o *owners) box(node string) *nodeBox {
	t, b := o.t, o.boxes[node]
	if b == nil {
		b = &nodeBox{t: t, node: node, subject: t.opts.Prefix + ".n." + node + "." + t.opts.Caller}
		b.here = node == t.node && !t.opts.AlwaysOverNATS
		b.vigil.box = b
		b.pool, b.room, b.send, b.waits, b.open = t.flusher, &t.requestRoom, b.publish, true, &b.vigil.awaited
		b.halted = o.halted
		o.boxes[node] = b
	}
	return b
}

// boxAt returns the way to the node that a subject names, or nil.
func (o *owners) boxAt(subject string) *nodeBox {
	node, ok := strings.CutPrefix(subject, o.t.opts.Prefix+".n.")
	if !ok {
		return nil
	}
	node, _, _ = strings.Cut(node, ".")
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.boxes[node]
}

// halt holds what goes to nodes, and returns the ways to those.
func (o *owners) halt() []*nodeBox {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.halted = true
	boxes := slices.Collect(maps.Values(o.boxes))
	for _, b := range boxes {
		b.halt()
	}
	return boxes
}

// resume ends a halt.
func (o *owners) resume(boxes []*nodeBox) {
	o.mu.Lock()
	o.halted = false
	boxes = slices.AppendSeq(boxes, maps.Values(o.boxes)) // new ones
	o.mu.Unlock()
	for _, b := range boxes {
		b.resume()
	}
}

// learnFixed takes the whole fixed list of a node. It is called with owners.mu held.
func (o *owners) learnFixed(told *wire.Owners) {
	box, serves, shard := o.box(told.Node), []uint32(nil), uint32(0)
	for i, n := range told.Runs {
		for range n * uint32(i%2) {
			serves = append(serves, shard)
			shard++
		}
		shard += n * uint32(1-i%2)
	}
	for _, shard := range box.serves {
		if r := o.routes.Get(shard); r != nil && r.to == box && r.epoch == 0 && !contains(serves, shard) {
			o.setRoute(shard, r, nil)
		}
	}
	again := box.round == o.t.asker.rounds && slices.Equal(box.serves, serves)
	box.serves, box.fixed, box.round = serves, true, o.t.asker.rounds
	if !again {
		o.compare(box)
	}
	box.gone.Store(false)
	for _, shard := range serves {
		o.learnOne(shard, wire.Owner{Node: told.Node}, true)
	}
}

// compare says which shards of a node's fixed list are also in the list of this end, or in that of another node which has
// answered the same question. It is called with owners.mu held.
func (o *owners) compare(box *nodeBox) {
	t, last := o.t, ""
	for _, shard := range box.serves {
		other, r := t.node, o.routes.Get(shard)
		if r != nil && r.to != box {
			r.rival = box // if the other answers later
		}
		switch {
		case box.node == t.node:
			continue
		case t.table.serving(shard, 0) != nil:
		case r == nil || r.epoch > 0:
			continue
		case r.to != box && r.to.tells(shard, box.round):
			other = r.to.node
		case r.to == box && r.rival != nil && r.rival.tells(shard, box.round):
			other = r.rival.node
		default:
			continue
		}
		if other != last {
			last = other
			t.log.Warn("two nodes serve a shard by fixed lists: the lists must not overlap", sparse.Shard(shard), "node", box.node, "other", other)
		}
	}
}

// tells reports whether the node has named the shard when it answered a question.
func (b *nodeBox) tells(shard uint32, round uint64) bool {
	return b.round == round && contains(b.serves, shard)
}

// home returns a route to a shard of this end whose owner is not known otherwise; nil if the end does not serve it.
func (o *owners) home(shard uint32) *route {
	t := o.t
	s := t.table.newest(shard)
	if s == nil || t.opts.AlwaysOverNATS {
		return nil
	}
	o.learn(shard, wire.Owner{Epoch: s.epoch, Node: t.node}, true)
	return o.routes.Get(shard)
}
