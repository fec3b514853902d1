// Live shards: their owners, nodes that are cut off or paused, the lives of keys

package testkit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// LiveTiming is the default timing of live clusters in this package. It is short enough
// to wait for: a node that is cut off stops within 1.8 s, and other nodes serve its
// shards within 3 s.
var LiveTiming = membership.Timing{
	Lease: 2 * time.Second, Renew: 400 * time.Millisecond, Margin: 200 * time.Millisecond, Delta: 200 * time.Millisecond,
	Poll: 250 * time.Millisecond, ShardPoll: time.Second, Settle: 100 * time.Millisecond, Residency: 100 * time.Millisecond,
}

// errCut is what a node gets from a store that it is cut off from.
var errCut = errors.New("testkit: cut off from the store of members")

// link is a node's way to the store of members.
type link struct {
	membership.Store
	close func()
	still *stillness
	cut   atomic.Bool
}

func (l *link) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if l.cut.Load() {
		return 0, errCut
	}
	if err := l.still.wait(ctx); err != nil {
		return 0, err
	}
	return l.Store.Write(ctx, key, rev, value)
}

func (l *link) Read(ctx context.Context, key string) (membership.Entry, error) {
	if l.cut.Load() {
		return membership.Entry{}, errCut
	}
	if err := l.still.wait(ctx); err != nil {
		return membership.Entry{}, err
	}
	return l.Store.Read(ctx, key)
}

func (l *link) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	if l.cut.Load() {
		return nil, 0, errCut
	}
	if err := l.still.wait(ctx); err != nil {
		return nil, 0, err
	}
	return l.Store.Snapshot(ctx, prefix)
}

func (l *link) Watch(f func(membership.Entry)) (stop func(), err error) {
	return l.Store.Watch(func(e membership.Entry) {
		if !l.cut.Load() {
			l.still.when(func() { f(e) })
		}
	})
}

// CutStore cuts a node off from the store of members, as a partition does: the node's
// lease ends, it serves nothing, and others take over its shards. HealStore undoes it.
func (c *Cluster) CutStore(id string) { c.t.Helper(); c.setCut(id, true) }

// HealStore undoes [Cluster.CutStore].
func (c *Cluster) HealStore(id string) { c.t.Helper(); c.setCut(id, false) }

func (c *Cluster) setCut(id string, cut bool) {
	c.t.Helper()
	c.nodes.mustKnow(id)
	c.mustLive("CutStore and HealStore")
	if m := c.nodes.disturbed(id, cut); m != nil {
		m.link.cut.Store(cut)
	}
}

func (c *Cluster) mustLive(what string) {
	c.t.Helper()
	if !c.opts.Live {
		c.t.Fatalf("testkit: %s: for clusters with ClusterOptions.Live", what)
	}
}

// PauseNode holds a node of a live cluster still, as SIGSTOP or a long pause of its
// machine does. Messages to it arrive when it goes on, and its calls to the store of
// members hang. Its connections stay, so callers that wait for it go on waiting.
// Handlers that run go on, because a goroutine cannot be stopped. ResumeNode undoes it.
// If the node does not run, PauseNode does nothing.
func (c *Cluster) PauseNode(id string) { c.t.Helper(); c.setPaused(id, true) }

// ResumeNode undoes [Cluster.PauseNode].
func (c *Cluster) ResumeNode(id string) { c.t.Helper(); c.setPaused(id, false) }

func (c *Cluster) setPaused(id string, paused bool) {
	c.t.Helper()
	c.nodes.mustKnow(id)
	c.mustLive("PauseNode and ResumeNode")
	if m := c.nodes.disturbed(id, paused); m != nil {
		m.still.set(paused)
	}
}

// recorded returns the owner of each shard of a live cluster, by the records in the store
// of members: the ID of a node, or an empty string for a shard without an owner.
func (c *Cluster) recorded() map[uint32]string {
	c.t.Helper()
	owners := make(map[uint32]string, c.layout.NumShards)
	for shard := range c.layout.NumShards {
		owners[shard] = ""
	}
	entries, _, err := c.store.Snapshot(context.Background(), record.ShardPrefix)
	if err != nil {
		c.t.Fatalf("testkit: the records of shards: %v", err)
	}
	for _, e := range entries {
		shard, _ := record.ParseShardKey(e.Key)
		if rec, err := record.DecodeShard(e); err == nil {
			owners[shard] = rec.Owner.Name
		}
	}
	return owners
}

// Settle returns when each node that runs has the shards that rendezvous hashing gives
// it. It fails the test after a minute.
func (c *Cluster) Settle() {
	c.t.Helper()
	c.mustLive("Settle")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for !c.settled() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			c.t.Fatalf("testkit: Settle: the shards are not where they should be: %v", c.recorded())
		}
	}
}

func (c *Cluster) settled() bool {
	for shard, owner := range c.recorded() {
		if want, _ := c.nodes.owner(shard); owner != want {
			return false
		}
	}
	return true
}

// Lives returns all incarnations of keys that a live cluster has had, in the order in
// which they began. At its end the cluster checks them itself: if a key had two actors
// at one moment, the test fails.
func (c *Cluster) Lives() []Life {
	c.t.Helper()
	c.mustLive("Lives")
	return c.history.all()
}

// Served implements dispatch.Backend. A test's cluster does not lose its
// records, and asking would cost the first node a second.
func (nodeBackend) Served(context.Context) []uint64 { return nil }

type noSubscription struct{}

func (noSubscription) Unsubscribe() error { return nil }
