// The state of a node's shards: opened with them, closed after them

package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
)

// stored has the state of the shards that a node serves. It is nil for a node without a
// store, and then does nothing.
type stored struct {
	n       *Node
	keeper  *keeper.Keeper
	metrics StateMetrics // may be nil
	lost    func(shard uint32, epoch uint64)
	stop    context.CancelFunc // asks the node to end

	mu      sync.Mutex
	refused error     // the store belongs to another cluster or layout
	asked   time.Time // when the node was asked to end
}

// newStored makes the state of a node that begins. lost is told of shards that another owner has
// opened.
func newStored(n *Node, lost func(shard uint32, epoch uint64), stop context.CancelFunc) *stored {
	if n.opts.State == nil {
		return nil
	}
	s := &stored{n: n, lost: lost, stop: stop}
	s.metrics, _ = n.metrics.(StateMetrics)
	s.keeper = keeper.New(keeper.Options{Store: n.opts.State, Lost: s.deposed, Trouble: s.trouble, Log: n.opts.Log})
	return s
}

// forHosts returns the keeper of the node's entities' state; nil for none.
func (s *stored) forHosts() host.Keeper {
	switch {
	case s == nil:
		return nil
	case s.metrics == nil:
		return s.keeper
	}
	return measuredKeeper{s.keeper, s}
}

// ownerOf is the owner as which a node opens a shard. With a fixed list it has no cluster, and epoch 0.
func ownerOf(cluster string, l sharding.Layout, epoch uint64) state.Owner {
	return state.Owner{Cluster: cluster, Layout: fmt.Sprintf("%d shards, seed %q", l.NumShards, l.Seed), Epoch: epoch}
}

// firstWord bounds how long a node that starts waits for a store that does not answer.
const firstWord = 2 * time.Second

// admits asks, before the node joins, whether the store belongs to this cluster. It opens a shard in
// an epoch that is below all epochs of this cluster, so that no owner of the cluster loses the shard.
func (s *stored) admits(ctx context.Context, cluster string, l sharding.Layout) error {
	if s == nil || cluster == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, firstWord)
	defer cancel()
	_, err := sparse.Ask(ctx, s.n.opts.Log, "methods of the store of state", func(ctx context.Context) (state.Token, error) {
		return s.n.opts.State.Open(ctx, 0, ownerOf(cluster, l, 0), state.Token{})
	})
	return s.refuse(err) // whatever else it says, it is asked again for each shard
}

// open begins to open a shard's state. Keys that load their state wait for it.
func (s *stored) open(shard uint32, o state.Owner) {
	if s != nil {
		s.keeper.Open(shard, o)
	}
}

// await waits for the store's first answer about a shard. An error means that the store belongs to
// another cluster.
func (s *stored) await(ctx context.Context, shard uint32) error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, firstWord)
	defer cancel()
	return s.refuse(s.keeper.Await(ctx, shard))
}

// close waits until all changes are stored, or until ctx ends.
func (s *stored) close(ctx context.Context, shard uint32) error {
	if s == nil {
		return nil
	}
	return s.keeper.Close(ctx, shard)
}

// drop ends a shard that belongs to another node.
func (s *stored) drop(shard uint32) {
	if s != nil {
		s.keeper.Drop(shard)
	}
}

// endGrace is how long a node that has used up its StopTimeout waits for changes that are being
// stored: what its keys wait for it has waited for before.
const endGrace = time.Second

// end closes the shards that are left, and returns why the store has refused the node.
func (s *stored) end() error {
	if s == nil {
		return nil
	}
	most := s.n.opts.StopTimeout
	s.mu.Lock()
	if !s.asked.IsZero() {
		most -= time.Since(s.asked)
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), max(most, endGrace))
	defer cancel()
	err := s.keeper.End(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.refused, err)
}

// untilAsked notes when ctx ends: the node is asked to end then.
func (s *stored) untilAsked(ctx context.Context) (stop func() bool) {
	if s == nil {
		return func() bool { return false }
	}
	return context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = time.Now()
	})
}

// refuse ends the node if the store says that it belongs to another cluster, because waiting does not
// mend that. It returns that error, even if the store has said so before.
func (s *stored) refuse(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil && (errors.Is(err, state.ErrOtherCluster) || errors.Is(err, state.ErrOtherLayout)) {
		s.refused = fmt.Errorf("node %s: State: %w", s.n.opts.NodeID, err)
		s.n.opts.Log.Error("the store of state is not this cluster's: the node ends", slog.Any("error", err))
		s.stop()
	}
	return s.refused
}

// trouble takes the reason why a shard's state is not open.
func (s *stored) trouble(shard uint32, err error) {
	if s.refuse(err) == nil {
		s.n.opts.Log.Warn("the store of state does not serve a shard: calls to its durable entities wait, or are refused", sparse.Shard(shard), slog.Any("error", err))
	}
}

// deposed is called when another owner has opened a shard.
func (s *stored) deposed(shard uint32, o state.Owner, err error) {
	s.n.opts.Log.Warn("another node has opened the state of a shard: this node starts nothing in the shard any more", sparse.Shard(shard), slog.Uint64("epoch", o.Epoch), slog.Any("error", err))
	s.lost(shard, o.Epoch)
}

// health returns how the state of the shards is.
func (s *stored) health() keeper.Health {
	if s == nil {
		return keeper.Health{}
	}
	return s.keeper.Health()
}

// measuredKeeper measures commits.
type measuredKeeper struct {
	*keeper.Keeper
	s *stored
}

// Commit implements host.Keeper. The metrics run apart: the goroutine of done is the store's, and both may have more to do.
func (k measuredKeeper) Commit(shard uint32, c state.Change, done func(state.Rev, error)) {
	m, log, kind := k.s.metrics, k.s.n.opts.Log, c.Kind
	var timer metrics.Timer
	sparse.Apart(log, "the metrics", func() { timer = m.CommitStarted(kind) })
	k.Keeper.Commit(shard, c, func(rev state.Rev, err error) {
		sparse.Apart(log, "the metrics", func() {
			if timer != nil {
				timer.ObserveDuration()
			}
			m.CommitEnded(kind, commitResult(err))
		})
		done(rev, err)
	})
}

// commitResult is how a commit has ended, for metrics.
func commitResult(err error) string {
	switch {
	case err == nil:
		return "stored"
	case errors.Is(err, keeper.ErrInDoubt):
		return "in_doubt"
	case errors.Is(err, state.ErrDeposed):
		return "deposed"
	}
	return "refused"
}
