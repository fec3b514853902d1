// A shard in one epoch: how it drains, lapses, is dropped and closed

package cluster

import (
	"context"
	"errors"

	"github.com/clstr-go/clstr/internal/coordinator"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
)

// ownedShard is one shard that the node serves in one epoch.
type ownedShard struct {
	l   *living
	at  *standing.Standing
	sub *dispatch.Sub // set by Open, with the mu of living; read by later tasks of the shard
}

// Drain implements coordinator.Shard.
func (s *ownedShard) Drain(ctx context.Context) (counts outcome.DrainCounts, err error) {
	defer s.l.closed(s)
	keys, err := s.drain(ctx)
	counts = s.sub.Counts()
	counts.Lost += uint32(keys)
	if cut := coordinator.CutOff(keys); keys > 0 && err == nil {
		err = cut
	} else if keys > 0 {
		err = errors.Join(err, cut)
	}
	if m := s.l.shardMetrics; m != nil {
		sparse.Apart(s.l.n.opts.Log, "the metrics", func() { m.ShardDrained(counts) })
	}
	return counts, err
}

// drain ends the calls that run, and then the keys, in the stages of the shard's move. lost is how
// many keys had their stop hooks cut off.
func (s *ownedShard) drain(ctx context.Context) (lost int, err error) {
	stages := s.at.Stages()
	ctx, cancel := context.WithDeadline(ctx, stages.End)
	defer cancel()
	calls, cancel := context.WithDeadline(ctx, stages.Calls)
	defer cancel()
	err = s.sub.Drain(calls)
	if err != nil {
		heed, cancel := context.WithDeadline(ctx, stages.Heed)
		defer cancel()
		err = s.sub.Drop(heed) // the late ones lose their context
	}
	if all := s.l.life.Together().Rest(s.at.Shard); all != nil {
		select {
		case <-all: // what handlers of the others ask is served until then,
			if err == nil { // and what they have notified at the last moment after it
				err = s.sub.Drain(calls)
			}
		case <-calls.Done():
		}
	}
	hooks, cancel := context.WithDeadline(ctx, stages.Hooks)
	defer cancel()
	late := hosting.EndShard(hooks, s.l.life, s.at.Shard, false)
	if late == nil { // what a stop hook has asked at the last moment
		late = errors.Join(s.sub.Rest(hooks), hosting.EndShard(hooks, s.l.life, s.at.Shard, false))
	}
	if late != nil { // contexts of hooks have ended now
		lost = unended(late)
		err = errors.Join(err, hosting.EndShard(ctx, s.l.life, s.at.Shard, true))
	}
	return lost, errors.Join(err, s.l.n.stored.close(ctx, s.at.Shard))
}

// unended is how many keys have not ended, of all handlers.
func unended(err error) (n int) {
	switch e := err.(type) {
	case *host.Unended:
		return e.Keys
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			n += unended(e)
		}
	case interface{ Unwrap() error }:
		return unended(e.Unwrap())
	}
	return n
}

// Lapse implements coordinator.Shard.
func (s *ownedShard) Lapse() {
	s.sub.Lapse()
	hosting.LapseShard(s.l.life, s.at.Shard)
}

// Drop implements coordinator.Shard. What runs may do so beside another owner: contexts end, and no
// stop hook runs.
func (s *ownedShard) Drop(ctx context.Context) error {
	defer s.l.closed(s)
	s.l.life.Together().Rest(s.at.Shard) // others may wait for it
	s.l.n.stored.drop(s.at.Shard)
	return errors.Join(s.sub.Drop(ctx), hosting.EndShard(ctx, s.l.life, s.at.Shard, true))
}

// Close implements coordinator.Shard.
func (s *ownedShard) Close() error { return s.sub.Unsubscribe() }
