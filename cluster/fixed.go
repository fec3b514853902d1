// Nodes with a fixed list of shards

package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// fixed is what a node with a fixed list serves. Nothing moves; but the store of state, if there is
// one, gives a shard to the node that has opened it last.
type fixed struct {
	n    *Node
	life *dispatch.Lifetime
	at   map[uint32]*standing.Standing // nil without a store of state

	mu     sync.Mutex
	subs   map[uint32]*dispatch.Sub
	lost   map[uint32]bool
	ending bool // rest waits for losing: nothing more is added
	losing sync.WaitGroup
}

func newFixed(n *Node, life *dispatch.Lifetime) *fixed {
	f := &fixed{n: n, life: life, subs: map[uint32]*dispatch.Sub{}, lost: map[uint32]bool{}}
	if n.opts.State != nil {
		f.at = make(map[uint32]*standing.Standing, len(n.opts.Shards))
		for _, shard := range n.opts.Shards {
			f.at[shard] = standing.New(n.opts.NodeID, shard, 0, nil)
		}
	}
	return f
}

// run serves the shards that the options list.
func (f *fixed) run(ctx context.Context, log *slog.Logger) error {
	n, life := f.n, f.life
	layout := sharding.Layout{NumShards: n.opts.NumShards, Seed: n.opts.Seed}
	defer n.layout.init(layout, n.opts.Shards, n.opts.Transport, log)()
	for _, shard := range n.opts.Shards { // before requests come
		n.stored.open(shard, ownerOf("", layout, 0))
	}
	err := f.subscribe(ctx)
	if err == nil && len(n.opts.Shards) > 0 {
		err = n.stored.await(ctx, n.opts.Shards[0])
	}
	if err != nil {
		if ctx.Err() != nil {
			err = nil // asked to end while it began
		}
		f.rest()
		return errors.Join(err, unsubscribe(f.list()), life.End()) // which knows why the transport has ended
	}
	subs := f.list()
	f.warnOfShared(log)
	if len(subs) == 0 {
		log.Warn("node owns no shards and serves nothing: is its ID among those that the shards were assigned to?")
	} else {
		log.Info("node is ready", slog.Int("shards", len(subs)))
	}
	close(n.ready)
	<-ctx.Done()
	log.Info("node drains", slog.Int("shards", len(subs)))
	all := new(standing.Together)
	all.Expect(n.opts.Shards)
	life.EndTogether(all)
	if dispatch.BackendOf(n.opts.Transport) != nil { // on any other, clients would ask a shard that refuses again and again
		quiesce(subs, n.opts.Shards, life, n.opts.StopTimeout)
	}
	f.rest()
	err = errors.Join(unsubscribe(subs), life.End())
	n.vitals.owns(0)
	log.Info("node has ended")
	return err
}

// rest waits until lost shards have ended. A shard that is lost later ends with the node.
func (f *fixed) rest() {
	f.mu.Lock()
	f.ending = true
	f.mu.Unlock()
	f.losing.Wait()
}

// list are the subscriptions, in the order of the node's list.
func (f *fixed) list() (subs []*dispatch.Sub) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, shard := range f.n.opts.Shards {
		if sub := f.subs[shard]; sub != nil {
			subs = append(subs, sub)
		}
	}
	return subs
}

// pending is how many calls are in flight.
func (f *fixed) pending() (calls int) {
	for _, s := range f.list() {
		calls += s.Pending()
	}
	return calls
}

// warnOfShared logs in one line which shards another node serves too, as far as the
// transport knows: a key of such a shard may live twice.
func (f *fixed) warnOfShared(log *slog.Logger) {
	const named = 8
	var shared []uint32
	for _, shard := range f.n.opts.Shards {
		if f.subs[shard].Shared() {
			shared = append(shared, shard)
		}
	}
	if len(shared) > 0 {
		log.Warn("shards of this node's list are served by another node on its transport too: the lists must not overlap",
			slog.Int("count", len(shared)), slog.Any("shards", shared[:min(named, len(shared))]))
	}
}

func (f *fixed) subscribe(ctx context.Context) error {
	ctx = lifeContext{ctx, f.life.Context()}
	to := f.n.intake.subscriber()
	backend := dispatch.BackendOf(f.n.opts.Transport)
	for _, shard := range f.n.opts.Shards {
		var sub *dispatch.Sub
		var err error
		to.Standing = f.at[shard]
		if backend != nil {
			sub, err = backend.Subscribe(ctx, shard, to)
		} else {
			sub, err = f.life.SubscribeFunc(ctx, f.n.opts.Transport, shard, to)
		}
		if err != nil {
			return outcome.Annotate(err, "node "+f.n.opts.NodeID+" subscribes")
		}
		f.mu.Lock()
		if f.subs[shard] = sub; f.lost[shard] {
			f.end(shard, sub)
		}
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n.vitals.owns(len(f.subs) - len(f.lost))
	return nil
}

// lose ends a shard that another node has opened: the one that opens it last serves it.
func (f *fixed) lose(shard uint32, _ uint64) {
	f.at[shard].Lose() // first: nothing starts any more
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost[shard] {
		return
	}
	f.lost[shard] = true
	f.n.vitals.deposes(len(f.lost))
	if sub := f.subs[shard]; sub != nil && !f.ending {
		f.n.vitals.owns(len(f.subs) - len(f.lost))
		f.end(shard, sub)
	}
}

// end ends the calls of a lost shard, and its keys without stop hooks. Then messages go only to the
// other node. It is called with mu held.
func (f *fixed) end(shard uint32, sub *dispatch.Sub) {
	f.losing.Go(func() { // ends with its timeout
		ctx, cancel := context.WithTimeout(context.Background(), defaultDrainTimeout)
		defer cancel()
		err := errors.Join(sub.Drop(ctx), hosting.EndShard(ctx, f.life, shard, true), sub.Unsubscribe())
		if err != nil {
			f.n.opts.Log.Error("calls or hooks of a shard that was lost still run", sparse.Shard(shard), slog.Any("error", err))
		}
	})
}

// lapsed reports whether another node has opened the shard.
func (f *fixed) lapsed(shard uint32) bool {
	at := f.at[shard]
	return at != nil && at.Elsewhere()
}

// lifeContext is the caller's context with the values of the node's.
type lifeContext struct {
	context.Context
	values context.Context
}

func (c lifeContext) Value(key any) any {
	if v := c.values.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}
