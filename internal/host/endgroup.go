// Shards that end together, in two rounds, so that stop hooks can ask each other

package host

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// EndGroup is shards that end together: the same shard of all handlers, or all shards
// of a node. Until all stop hooks have ended, the group serves requests from the stop hook of one of
// its keys to another key. Even a key that has ended serves them: it is made once more. So ending
// goes in two rounds:
//
//  1. The active keys passivate. A request of their stop hooks wakes a key that
//     has ended. A key that was woken does not passivate, even if it asks to.
//  2. When the last of these stop hooks has returned, and what they have asked and told is
//     answered, the woken keys passivate. Their stop hooks may ask keys that still live,
//     and wake none.
//
// Its methods are safe for concurrent use and never block. Lock order: shard.mu,
// mailbox.mu, then the group's.
type EndGroup struct {
	final bool // no node serves the shards afterwards

	mu    sync.Mutex
	first int                // what the second round waits for: keys of the first round, and what holds the group
	woken map[*cell]struct{} // keys that were woken and have not ended
	late  bool               // the second round waits for nothing any more
	last  bool               // the second round has begun
	idle  chan struct{}      // closed while there is nothing in first and woken
}

// NewEndGroup makes a group. final says that no node serves its shards afterwards.
func NewEndGroup(final bool) *EndGroup {
	g := &EndGroup{final: final, woken: map[*cell]struct{}{}, idle: make(chan struct{})}
	close(g.idle)
	return g
}

// Hold says that a shard will join, or that something handles what a stop hook has sent. Until
// Release, no woken key and no shard of the group ends.
func (g *EndGroup) Hold() { g.change(func() { g.first++ }) }

// Release is the end of a Hold.
func (g *EndGroup) Release() { g.change(func() { g.first-- }) }

// Idle returns a channel that is closed if no key of the group lives and nothing holds it.
func (g *EndGroup) Idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idle
}

// lastShare is how long before the end of the whole time the second round begins at the
// latest, because one stop hook that goes on must not keep the others from running. It is a
// quarter of the time if the time is short.
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

// wakes takes in a key that was woken.
func (g *EndGroup) wakes(c *cell) { g.change(func() { g.woken[c] = struct{}{} }) }

// ended takes a key's incarnation out of the group, and takes in the next one if the key was woken again.
func (g *EndGroup) ended(c *cell, again bool) {
	g.change(func() {
		if _, woken := g.woken[c]; woken {
			delete(g.woken, c)
		} else {
			g.first--
		}
		if again {
			g.woken[c] = struct{}{}
		}
	})
}

// change changes what the rounds wait for. It begins the second round when it is time, with a
// turn for each woken key. It is called without a mailbox's lock.
func (g *EndGroup) change(f func()) {
	g.mu.Lock()
	f()
	var begin []*cell
	switch over := g.first == 0 || g.late; {
	case !over:
		g.last = false
	case !g.last:
		g.last = true
		begin = slices.Collect(maps.Keys(g.woken))
	}
	isIdle := g.first == 0 && len(g.woken) == 0
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
	for _, c := range begin {
		c.handOver(c.mailbox.look())
	}
}

// isLast reports whether the second round has begun.
func (g *EndGroup) isLast() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// over is the reason why a stop hook's request is not served any more. In a final group the next
// owner does not serve it either, so trying again is useless.
func (g *EndGroup) over(key string) *outcome.Error {
	if g.final {
		return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "key %.64q: the key has ended", key)
	}
	return hostStops(key)
}
