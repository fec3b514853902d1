// A shard in one epoch: draining, dropping, and the gate before its calls

package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/internal/coordinator"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/transport"
)

// ownedShard is one shard that the node serves in one epoch.
type ownedShard struct {
	l       *living
	guard   *coordinator.Guard
	sub     Subscription
	drainer dispatch.Drainer
}

// Drain implements coordinator.Shard.
func (s *ownedShard) Drain(ctx context.Context) (counts transport.DrainCounts, err error) {
	defer s.l.closed(s)
	keys, err := s.drain(ctx)
	counts = s.drainer.Counts()
	counts.Lost += uint32(keys)
	if cut := coordinator.CutOff(keys); keys > 0 && err == nil {
		err = cut
	} else if keys > 0 {
		err = errors.Join(err, cut)
	}
	if m := s.l.drains; m != nil {
		sparse.Apart(s.l.n.opts.Log, "the metrics", func() { m.ShardDrained(counts) })
	}
	return counts, err
}

// drain ends what runs, and then the keys, by ctx's deadline. lost is how many keys had
// their stop hooks cut off.
func (s *ownedShard) drain(ctx context.Context) (lost int, err error) {
	end := endsOf(ctx)
	calls, cancel := context.WithDeadline(ctx, end.calls)
	defer cancel()
	err = s.drainer.Drain(calls)
	if err != nil {
		heed, cancel := context.WithDeadline(ctx, end.heed)
		defer cancel()
		err = s.drainer.Drop(heed) // the late ones lose their context
	}
	if all := s.l.rests(s.guard.Shard); all != nil {
		select {
		case <-all: // what handlers of the others ask is served until then,
			if err == nil { // and what they have notified at the last moment after it
				err = s.drainer.Drain(calls)
			}
		case <-calls.Done():
		}
	}
	hooks, cancel := context.WithDeadline(ctx, end.hooks)
	defer cancel()
	late := s.l.life.EndShard(hooks, s.guard.Shard, false)
	if late == nil { // what a stop hook has asked at the last moment
		late = errors.Join(s.drainer.Rest(hooks), s.l.life.EndShard(hooks, s.guard.Shard, false))
	}
	if late != nil { // contexts of hooks have ended now
		lost = unended(late)
		err = errors.Join(err, s.l.life.EndShard(ctx, s.guard.Shard, true))
	}
	return lost, err
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

// ends says by when the stages of a move must be over.
type ends struct {
	calls time.Time // what runs then loses its context
	heed  time.Time // and what heeds that has returned: the keys passivate, also where others are late
	hooks time.Time // stop hooks that run then lose their context; those that heed it return by the end of the move
}

// endsOf divides the time until ctx's deadline. Keys have a quarter of it to passivate
// where calls are late, 3 s at most; what has lost its context has an eighth to
// return, 1 s at most, so that what heeds it does not run beside the next owner's.
func endsOf(ctx context.Context) ends {
	end, _ := ctx.Deadline()
	left := time.Until(end)
	save, heed := min(left/4, saveTime), min(left/8, heedTime)
	e := ends{hooks: end.Add(-heed)}
	e.calls = e.hooks.Add(-save)
	e.heed = e.calls.Add(heed)
	return e
}

const (
	saveTime = 3 * time.Second
	heedTime = time.Second
)

// Lapse implements coordinator.Shard.
func (s *ownedShard) Lapse(lapsed bool) {
	s.drainer.Lapse(lapsed)
	if lapsed {
		s.l.life.LapseShard(s.guard.Shard)
	}
}

// Drop implements coordinator.Shard.
func (s *ownedShard) Drop(ctx context.Context) error {
	defer s.l.closed(s)
	s.l.rests(s.guard.Shard) // others may wait for it
	return s.cutOff(ctx)
}

// cutOff ends what may run beside another owner: contexts end, and no stop hook runs.
func (s *ownedShard) cutOff(ctx context.Context) error {
	return errors.Join(s.drainer.Drop(ctx), s.l.life.EndShard(ctx, s.guard.Shard, true))
}

// Close implements coordinator.Shard.
func (s *ownedShard) Close() error { return s.sub.Unsubscribe() }

// gate lets calls to one shard in one epoch in.
type gate struct {
	n     *Node
	guard *coordinator.Guard
}

var _ dispatch.Gate = gate{}

// Admit implements dispatch.Gate.
func (g gate) Admit(c *dispatch.Call, now time.Time, starts bool) *Error {
	return admit(g.n, g.guard, c, now, starts)
}

// Moving implements dispatch.Gate.
func (g gate) Moving() bool { return g.guard.Moving() }

// admit decides about a call. While a shard moves, what has been accepted of
// senders that do not wait is still served; other calls are sent to the next owner, if
// there will be one.
func admit(n *Node, g *coordinator.Guard, c *dispatch.Call, now time.Time, starts bool) *Error {
	var standing coordinator.Standing
	switch {
	case starts:
		standing = g.Standing(now)
	case c.AwaitsReply():
		standing = g.Arrival()
	default:
		standing = g.Now() // its sender will not hear of a refusal at the start
	}
	switch standing {
	case coordinator.Serving:
		return nil
	case coordinator.Moving:
		if starts && (!c.AwaitsReply() || g.Final()) || c.Needed() || g.Final() && c.StopHook() != dispatch.KeyTurn {
			return nil
		}
		return transport.Errorf(ErrNotOwner, "node %s hands shard %d over", n.opts.NodeID, g.Shard)
	case coordinator.Suspended:
		return transport.Errorf(ErrNotOwner, "node %s has not renewed its lease in time and serves nothing (shard %d)", n.opts.NodeID, g.Shard)
	}
	return transport.Errorf(ErrNotOwner, "node %s no longer owns shard %d", n.opts.NodeID, g.Shard)
}
