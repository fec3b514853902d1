package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/internal/coordinator"
	"github.com/clstr-go/clstr/transport"
)

// ownedShard is one shard that the node serves in one epoch.
type ownedShard struct {
	l       *living
	guard   *coordinator.Guard
	sub     Subscription
	drainer transport.Drainer
}

// Drain implements coordinator.Shard.
func (s *ownedShard) Drain(ctx context.Context) (transport.DrainCounts, error) {
	defer s.l.closed(s)
	err := s.drain(ctx)
	counts := s.drainer.Counts()
	if m := s.l.drains; m != nil {
		m.ShardDrained(counts)
	}
	return counts, err
}

func (s *ownedShard) drain(ctx context.Context) error {
	soon, err := ctx, error(nil)
	if s.drainer.Drain(ctx) != nil {
		err = s.drainer.Drop(ctx) // the late ones lose their context
		// Keys that have ended their work may save what they have, also where others
		// are late.
		var cancel context.CancelFunc
		soon, cancel = context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer cancel()
	}
	if s.l.life.EndShard(soon, s.guard.Shard, false) != nil { // contexts of hooks have ended now
		moment, cancel := context.WithTimeout(context.WithoutCancel(ctx), heedTime)
		defer cancel()
		err = errors.Join(err, s.l.life.EndShard(moment, s.guard.Shard, true))
	}
	return err
}

// saveTime is how long keys have to passivate when their shard moves although
// some of them are late.
const saveTime = 2 * time.Second

// heedTime is how long stop hooks have to return when their context has ended: so
// that those that heed it do not run beside the next owner's keys.
const heedTime = time.Second

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
	return s.cutOff(ctx)
}

// cutOff ends what may run beside another owner: contexts end, and hooks find
// theirs ended.
func (s *ownedShard) cutOff(ctx context.Context) error {
	return errors.Join(s.drainer.Drop(ctx), s.l.life.EndShard(ctx, s.guard.Shard, true))
}

// Close implements coordinator.Shard.
func (s *ownedShard) Close() error { return s.sub.Unsubscribe() }

// ownedFront is a node as its transport sees it for one shard in one epoch.
type (
	ownedFront struct {
		front
		guard *coordinator.Guard
	}
	ownedMeasured struct {
		measured
		guard *coordinator.Guard
	}
)

var (
	_ transport.Gate     = ownedFront{}
	_ transport.Gate     = ownedMeasured{}
	_ transport.Observer = ownedMeasured{}
)

func (l *living) front(g *coordinator.Guard) transport.Receiver {
	if l.n.metrics == nil {
		return ownedFront{front{l.n}, g}
	}
	return ownedMeasured{measured{front{l.n}}, g}
}

// Admit implements transport.Gate.
func (f ownedFront) Admit(c *transport.Call, now time.Time, starts bool) *Error {
	return admit(f.n, f.guard, c, now, starts)
}

// Admit implements transport.Gate.
func (f ownedMeasured) Admit(c *transport.Call, now time.Time, starts bool) *Error {
	return admit(f.n, f.guard, c, now, starts)
}

// Moving implements transport.Gate.
func (f ownedFront) Moving() bool { return f.guard.Moving() }

// Moving implements transport.Gate.
func (f ownedMeasured) Moving() bool { return f.guard.Moving() }

// admit decides about a call. While a shard moves, what has been accepted of
// senders that do not wait is still served; who waits is sent to the next owner.
func admit(n *Node, g *coordinator.Guard, c *transport.Call, now time.Time, starts bool) *Error {
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
		if starts && !c.AwaitsReply() || c.Needed() {
			return nil
		}
		return transport.Errorf(ErrNotOwner, "node %s hands shard %d over", n.opts.NodeID, g.Shard)
	case coordinator.Suspended:
		return transport.Errorf(ErrNotOwner, "node %s has not renewed its lease in time and serves nothing (shard %d)", n.opts.NodeID, g.Shard)
	}
	return transport.Errorf(ErrNotOwner, "node %s no longer owns shard %d", n.opts.NodeID, g.Shard)
}
