// What a client knows of owners, and how it follows a shard that has moved

package natstransport

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/shardtable"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// follows is how often one request is sent again at once because its shard has a
// new owner.
const follows = 3

// What is known of a cluster's owners.
const (
	unasked int32 = iota
	fixed         // lists of shards are fixed, or there is no node
	silent        // no node has answered in time: the nodes may be too busy
	living        // nodes come and go
)

// owners is what a connection knows of which node owns which shard. It decides nothing: a
// node serves what it may, and says so.
//
// The known epoch of a shard only grows, because an answer may be older than an announcement.
// But a user with the right to announce may announce an epoch that does not exist. So a route
// that has led to no owner is in doubt, and the next word of a node replaces it.
type owners struct {
	state  atomic.Int32
	routes shardtable.Table[route] // set with mu held

	mu       sync.Mutex
	boxes    map[string]*nodeBox // by node
	known    int                 // shards that have a route
	question *asking             // nil while none is open
	rounds   uint64              // questions so far
	surveyed bool                // one of them has waited for every node with a fixed list
	answered int64               // moment of the last whole answer
	count    uint32              // of the shards, by the last answer that said one
	counted  int64               // its moment
	quiet    int64               // no question is sent again before this moment
	barred   int64               // no question is sent at all before this moment
	denied   error               // because of this
	hearing  bool
	stopped  bool
	halted   bool // nothing goes to nodes
}

// epochOf returns the epoch in which the shard is owned, as far as is known.
func (o *owners) epochOf(shard uint32) uint64 {
	if r := o.routes.Get(shard); r != nil {
		return r.epoch
	}
	return 0
}

// numShards is how many shards the nodes have said a moment ago that there are; 0 if they
// have not.
func (o *owners) numShards() uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if expiry.Now() > o.counted+int64(askTimeout) {
		return 0 // it may be another cluster by now
	}
	return o.count
}

// learn takes what is told of one shard's owner: by a node, or by an announcement, which may
// come from any user with the right to announce.
func (t *Transport) learn(shard uint32, owner wire.Owner, told bool) {
	t.owners.mu.Lock()
	defer t.owners.mu.Unlock()
	t.learnOne(shard, owner, told)
}

// learnOne is called with owners.mu held.
func (t *Transport) learnOne(shard uint32, owner wire.Owner, told bool) {
	o := &t.owners
	old, said := o.routes.Get(shard), uint64(0)
	if told && owner.Node != "" {
		said = owner.Epoch + 1
	}
	if old != nil {
		said = max(said, old.said.Load())
		old.said.Store(said)
	}
	switch {
	case owner.Node == "":
		return // the shard waits for its next owner
	case old == nil || owner.Epoch > old.epoch:
	case owner.Epoch == old.epoch && owner.Node == old.to.node:
		if told {
			old.round.Store(o.rounds)
		}
		return
	case !told || !old.doubt.Load() && !old.to.gone.Load():
		if told && owner.Epoch == 0 && old.epoch == 0 && (old.round.Load() == o.rounds || old.to.node == t.node && t.serving(shard, 0) != nil) {
			t.log.Warn("two nodes serve a shard by fixed lists: the lists must not overlap", sparse.Shard(shard), "node", old.to.node, "other", owner.Node)
		}
		return
	}
	r := &route{shard: shard, epoch: owner.Epoch, to: t.box(owner.Node)}
	r.said.Store(said)
	r.round.Store(o.rounds)
	t.setRoute(shard, old, r)
	if old != nil && r.epoch > old.epoch {
		t.succeed(old)
	}
}

// setRoute puts a route in the place of another. It is called with owners.mu held.
func (t *Transport) setRoute(shard uint32, old, r *route) {
	o := &t.owners
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
func (t *Transport) box(node string) *nodeBox {
	b := t.owners.boxes[node]
	if b == nil {
		b = &nodeBox{t: t, node: node, subject: t.opts.Prefix + ".n." + node + "." + t.opts.Caller}
		b.here = node == t.node && !t.opts.AlwaysOverNATS
		b.vigil.box = b
		b.pool, b.room, b.send, b.waits, b.open = t.flusher, &t.requestRoom, b.publish, true, &b.vigil.awaited
		b.halted = t.owners.halted
		t.owners.boxes[node] = b
	}
	return b
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
func (t *Transport) learnFixed(told *wire.Owners) {
	o := &t.owners
	box, serves, shard := t.box(told.Node), []uint32(nil), uint32(0)
	for i, n := range told.Runs {
		for range n * uint32(i%2) {
			serves = append(serves, shard)
			shard++
		}
		shard += n * uint32(1-i%2)
	}
	for _, shard := range box.serves {
		if r := o.routes.Get(shard); r != nil && r.to == box && r.epoch == 0 && !contains(serves, shard) {
			t.setRoute(shard, r, nil)
		}
	}
	box.serves, box.fixed, box.round = serves, true, o.rounds
	box.gone.Store(false)
	for _, shard := range serves {
		t.learnOne(shard, wire.Owner{Node: told.Node}, true)
	}
}

// noOwner reports whether an error says that a shard is not served where the
// request went, and that it has not started.
func noOwner(err error) bool {
	return (errors.Is(err, outcome.ErrTransportNoShardSubscriber) || errors.Is(err, outcome.ErrNotOwner)) &&
		outcome.Of(err).NeverRan()
}

// mayNotAsk returns why no node may be asked; nil if one may.
func (o *owners) mayNotAsk() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if expiry.Now() < o.barred {
		return o.denied
	}
	return nil
}

// find asks for the owner of a shard that has no known one.
func (t *Transport) find(ctx context.Context, env *transport.Envelope) (*route, error) {
	r := t.ask(ctx, env, nil, false)
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	if env.Expired() {
		return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "no node has said which node owns the shard").WithOutcome(outcome.NotSent)
	}
	if err := t.canSend(); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, t.withoutOwner(env)
	}
	return r, nil
}

// withoutOwner is the error for a shard that no node serves, as far as is known.
func (t *Transport) withoutOwner(env *transport.Envelope) error {
	if err := wire.CheckShard(env, t.owners.numShards()); err != nil {
		return err
	}
	if err := t.owners.mayNotAsk(); err != nil {
		return outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
	}
	if state := t.owners.state.Load(); state == living || state == silent {
		return outcome.Errorf(outcome.ErrNotOwner, "shard %d has no owner at the moment", env.Shard)
	}
	return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", env.Shard)
}

// elsewhere sends a request that has found no owner again, if another owner is known
// by then. Only a request that surely did not start is sent again.
func (t *Transport) elsewhere(ctx context.Context, env *transport.Envelope, p *parcel, r *route, data []byte, err error) ([]byte, error) {
	for range follows {
		if !noOwner(err) {
			return data, err
		}
		if why := t.canSend(); why != nil { // no node can be asked
			return nil, why
		}
		news := r.doubted()
		next := t.owners.routes.Get(r.shard)
		if next == nil || next == r {
			next = t.ask(ctx, env, r, news)
		}
		if cause := ctx.Err(); cause != nil {
			return nil, outcome.ContextError(cause, outcome.NotStarted).WithCause(err)
		}
		if env.TTLMs > 0 {
			left := env.TTL()
			if left <= 0 {
				return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "no owner of shard %d was found in time", r.shard).WithCause(err)
			}
			env.TTLMs = max(1, left.Milliseconds())
			env.Stamp()
		}
		if next == nil {
			break
		}
		r, env.Retry = next, env.Retry || errors.Is(err, outcome.ErrNotOwner)
		data, err = t.exchange(ctx, r, env, p)
	}
	if !errors.Is(err, outcome.ErrTransportNoShardSubscriber) {
		return data, err
	}
	return nil, t.withoutOwner(env)
}
