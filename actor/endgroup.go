// Shards that end together, in two rounds, so that stop hooks can ask each other

package actor

import (
	"context"
	"sync"
	"time"
)

// EndGroup is shards that end together: the same shard of all handlers, or all shards
// of a node. What the stop hook of one of their keys asks of another key is served until
// all stop hooks have ended, by keys that have ended too: they are made once more for
// it. So ending goes in two rounds:
//
//  1. The keys that were there passivate. What their stop hooks ask wakes a key that has
//     ended. A key that was woken does not passivate, also where it has asked for that.
//  2. When the last of these stop hooks has returned, and the keys that were woken have
//     handled what they were sent, those passivate. Their stop hooks may ask keys that
//     still live, and wake none.
//
// Its methods are safe for concurrent use and never block. Lock order: shard.mu, cell.mu,
// then the group's.
type EndGroup struct {
	final bool // nobody serves the shards afterwards

	mu       sync.Mutex
	expected map[uint32]struct{} // shards that are to join
	held     int                 // see Hold
	first    int                 // keys of the first round that have not ended
	woken    map[*cell]bool      // and those that were woken; true if it has nothing to do
	resting  int                 // of woken: those that have nothing to do
	late     bool                // the second round waits for nothing any more
	last     bool                // the second round has begun
	toLook   []*cell             // are to learn of that
	idle     chan struct{}       // closed while there is none of all these
}

// NewEndGroup makes a group. final is whether nobody serves its shards afterwards.
func NewEndGroup(final bool) *EndGroup {
	g := &EndGroup{final: final, expected: map[uint32]struct{}{}, woken: map[*cell]bool{}, idle: make(chan struct{})}
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

// Expects reports whether a shard is expected.
func (g *EndGroup) Expects(shard uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.expected[shard]
	return ok
}

// Hold says that shards join one after the other, until Release: it is as if one more
// was expected.
func (g *EndGroup) Hold() { g.change(func() { g.held++ }) }

// Release is the end of a Hold.
func (g *EndGroup) Release() { g.change(func() { g.held-- }) }

// Idle returns a channel that is closed if no key of the group lives and no shard is
// expected.
func (g *EndGroup) Idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idle
}

// lastShare is how long before the end of all time the second round begins at the
// latest: one stop hook that goes on must not keep the others' from being run. It is a
// quarter of the time where there is little.
const lastShare = time.Second

// await returns when no key of the group lives, or ctx's error.
func (g *EndGroup) await(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		hurry := time.AfterFunc(left-min(left/4, lastShare), func() { g.change(func() { g.late = true }) })
		defer hurry.Stop()
	}
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
			g.set(c, false)
		}
	})
}

// ended says that an incarnation has ended; again that the key is woken.
func (g *EndGroup) ended(c *cell, wasFirst, again bool) {
	g.change(func() {
		if wasFirst {
			g.first--
		}
		g.set(c, false)
		if !again {
			delete(g.woken, c)
		}
	})
}

// set notes whether a key that was woken has nothing to do. It is called with mu held.
func (g *EndGroup) set(c *cell, rests bool) {
	if g.woken[c] {
		g.resting--
	}
	if g.woken[c] = rests; rests {
		g.resting++
	}
}

// busy says that a key which was woken is sent something. It is called with the cell's
// mu held.
func (g *EndGroup) busy(c *cell) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.woken[c] {
		g.set(c, false)
	}
}

// rests says that a key which was woken has nothing to do. It returns true if the key is
// to passivate now; then looks must be called. It is called with the cell's mu held.
func (g *EndGroup) rests(c *cell) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set(c, true)
	g.rounds()
	return g.last
}

// change changes what lives, and begins the second round when it is time.
func (g *EndGroup) change(f func()) {
	g.mu.Lock()
	f()
	g.rounds()
	g.mu.Unlock()
	g.looks()
}

// looks gives the keys that were woken a turn once the second round has begun. It is
// called without locks.
func (g *EndGroup) looks() {
	g.mu.Lock()
	woken := g.toLook
	g.toLook = nil
	g.mu.Unlock()
	for _, c := range woken {
		c.look()
	}
}

// rounds says which round it is, and whether all is over. It is called with mu held.
func (g *EndGroup) rounds() {
	joined := g.first == 0 && len(g.expected) == 0 && g.held == 0
	switch {
	case !joined && !g.late:
		g.last = false
	case !g.last && (g.late || g.resting == len(g.woken)):
		g.last = true
		for c := range g.woken {
			g.toLook = append(g.toLook, c)
		}
	}
	isIdle := joined && len(g.woken) == 0
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
}

// second reports whether the second round has begun.
func (g *EndGroup) second() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// over is why what a stop hook asks is not served any more. Elsewhere, nobody serves
// it: there is no use in trying again.
func (g *EndGroup) over() error {
	if g.final {
		return ErrEnded
	}
	return ErrStopping
}
