package actor

import (
	"context"
	"sync"
)

// EndGroup is shards that end together: the same shard of all handlers, or all shards
// of a node. What the stop hook of one of their keys asks of another key is served until
// all stop hooks have ended, by keys that have ended too: they are made once more for
// it. So ending goes in two rounds:
//
//  1. The keys that were there passivate. What their stop hooks ask wakes a key that has
//     ended, at most once.
//  2. When the last of these stop hooks has returned, the keys that were woken passivate.
//     Their stop hooks may ask keys that still live, and wake none.
//
// Its methods are safe for concurrent use and never block. Lock order: shard.mu, then
// the group's.
type EndGroup struct {
	final bool // nobody serves the shards afterwards

	mu       sync.Mutex
	expected map[uint32]struct{} // shards that are to join
	first    int                 // keys of the first round that have not ended
	woken    map[*cell]struct{}  // and those that were woken
	idle     chan struct{}       // closed while there is none of all these
}

// NewEndGroup makes a group. final is whether nobody serves its shards afterwards.
func NewEndGroup(final bool) *EndGroup {
	g := &EndGroup{final: final, expected: map[uint32]struct{}{}, woken: map[*cell]struct{}{}, idle: make(chan struct{})}
	close(g.idle)
	return g
}

// Expect says that shards will join: until they have, no key that was woken ends, and
// no shard of the group.
func (g *EndGroup) Expect(shards []uint32) {
	g.change(func() {
		for _, id := range shards {
			g.expected[id] = struct{}{}
		}
	})
}

// Joined says that a shard which was expected has joined, or never will.
func (g *EndGroup) Joined(shard uint32) { g.change(func() { delete(g.expected, shard) }) }

// Idle returns a channel that is closed if no key of the group lives and no shard is
// expected.
func (g *EndGroup) Idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idle
}

// await returns when no key of the group lives, or ctx's error.
func (g *EndGroup) await(ctx context.Context) error {
	select {
	case <-g.Idle():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *EndGroup) isIdle() bool {
	select {
	case <-g.Idle():
		return true
	default:
		return false
	}
}

// begin takes in keys: those that passivate now, and those that are being made.
func (g *EndGroup) begin(first int, woken []*cell) {
	g.change(func() {
		g.first += first
		for _, c := range woken {
			g.woken[c] = struct{}{}
		}
	})
}

// ended says that an incarnation has ended; again that the key is woken.
func (g *EndGroup) ended(c *cell, wasFirst, again bool) {
	g.change(func() {
		if wasFirst {
			g.first--
		}
		if again {
			g.woken[c] = struct{}{}
		} else {
			delete(g.woken, c)
		}
	})
}

// change changes what lives, and begins the second round when it is time.
func (g *EndGroup) change(f func()) {
	g.mu.Lock()
	f()
	second := g.first == 0 && len(g.expected) == 0
	var woken []*cell
	if second {
		for c := range g.woken {
			woken = append(woken, c)
		}
	}
	isIdle := second && len(g.woken) == 0
	select {
	case <-g.idle:
		if !isIdle {
			g.idle = make(chan struct{})
		}
	default:
		if isIdle {
			close(g.idle)
		}
	}
	g.mu.Unlock()
	for _, c := range woken {
		c.look()
	}
}

// second reports whether the second round has begun.
func (g *EndGroup) second() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.first == 0 && len(g.expected) == 0
}

// over is why what a stop hook asks is not served any more. Elsewhere, nobody serves
// it: there is no use in trying again.
func (g *EndGroup) over() error {
	if g.final {
		return ErrEnded
	}
	return ErrStopping
}

// look gives a key that was woken a turn, at whose end it passivates if it has no mail.
func (c *cell) look() {
	c.mu.Lock()
	look := c.invoker != nil && !c.is(scheduled|stopping|dead)
	if look {
		c.flags |= scheduled
	}
	c.mu.Unlock()
	if look {
		c.shard.host.system.pool.Go(c)
	}
}

// endsNow reports whether the key was woken and may passivate, having no mail. It is
// called with mu held, on the key's turn.
func (c *cell) endsNow() bool {
	return c.is(woken) && c.mail.len() == 0 && c.owed == nil && c.shard.group.second()
}
