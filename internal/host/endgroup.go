// Shards that end together, in two rounds, so that stop hooks can ask each other

package host

import (
	"context"
	"sync"
	"time"
)

// EndGroup is shards that end together: the same shard of all handlers, or all shards
// of a node. Until all stop hooks have ended, the group serves requests from the stop hook of one of
// its keys to another key. Even a key that has ended serves them: it is made once more. So ending
// goes in two rounds:
//
//  1. The active keys passivate. A request of their stop hooks wakes a key that
//     has ended. A key that was woken does not passivate, even if it asks to.
//  2. When the last of these stop hooks has returned, and the woken keys have handled
//     their messages, the woken keys passivate. Their stop hooks may ask keys that still live,
//     and wake none.
//
// Its methods are safe for concurrent use and never block. Lock order: shard.mu,
// mailbox.mu, then the group's.
type EndGroup struct {
	final bool // no node serves the shards afterwards

	mu      sync.Mutex
	held    int                  // shards that are to join, see Hold
	first   int                  // keys of the first round that have not ended
	woken   map[*endKey]struct{} // and those that were woken
	resting int                  // of woken: those that have nothing to do
	late    bool                 // the second round waits for nothing any more
	last    bool                 // the second round has begun
	toLook  []*cell              // are to learn of that
	idle    chan struct{}        // closed while there is none of all these
}

// endKey is one incarnation of a key in the group that it ends with.
type endKey struct {
	group *EndGroup
	cell  *cell
	woken bool // and not there before
	rests bool // was woken, and has nothing to do; guarded by the group's mu
}

// NewEndGroup makes a group. final says that no node serves its shards afterwards.
func NewEndGroup(final bool) *EndGroup {
	g := &EndGroup{final: final, woken: map[*endKey]struct{}{}, idle: make(chan struct{})}
	close(g.idle)
	return g
}

// Hold says that a shard will join, or that a func handles a notification of a stop hook. Until
// Release, no woken key and no shard of the group ends.
func (g *EndGroup) Hold() { g.change(func() { g.held++ }) }

// Release is the end of a Hold.
func (g *EndGroup) Release() { g.change(func() { g.held-- }) }

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

// replace takes an incarnation that has ended out of the group, and takes in the next one, which
// was woken. Either may be nil.
func (g *EndGroup) replace(ended, woken *endKey) {
	g.change(func() {
		if ended != nil {
			g.remove(ended)
		}
		if woken != nil {
			g.add(woken)
		}
	})
}

// add is called with mu held.
func (g *EndGroup) add(k *endKey) {
	if k.woken {
		g.woken[k] = struct{}{}
	} else {
		g.first++
	}
}

// remove is called with mu held.
func (g *EndGroup) remove(k *endKey) {
	if k.woken {
		k.set(false)
		delete(g.woken, k)
	} else {
		g.first--
	}
}

// set notes whether a woken key has nothing to do. It is called with the
// group's mu held.
func (k *endKey) set(rests bool) {
	switch {
	case rests && !k.rests:
		k.group.resting++
	case !rests && k.rests:
		k.group.resting--
	}
	k.rests = rests
}

// busy says that a woken key is sent a message. It is called with the
// mailbox's mu held.
func (k *endKey) busy() {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	k.set(false)
}

// rest says that a woken key has nothing to do. It returns true if the key must
// passivate now; then looks must be called. It is called with the mailbox's mu held.
func (k *endKey) rest() bool {
	k.group.mu.Lock()
	defer k.group.mu.Unlock()
	k.set(true)
	k.group.rounds()
	return k.group.last
}

// change changes the keys that live, and begins the second round when it is time.
func (g *EndGroup) change(f func()) {
	g.mu.Lock()
	f()
	g.rounds()
	g.mu.Unlock()
	g.looks()
}

// looks gives the woken keys a turn once the second round has begun. It is
// called without locks.
func (g *EndGroup) looks() {
	g.mu.Lock()
	woken := g.toLook
	g.toLook = nil
	g.mu.Unlock()
	for _, c := range woken {
		c.handOver(c.mailbox.look())
	}
}

// rounds says which round it is, and whether both are over. It is called with mu held.
func (g *EndGroup) rounds() {
	joined := g.first == 0 && g.held == 0
	switch {
	case !joined && !g.late:
		g.last = false
	case !g.last && (g.late || g.resting == len(g.woken)):
		g.last = true
		for k := range g.woken {
			g.toLook = append(g.toLook, k.cell)
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

// isLast reports whether the second round has begun.
func (g *EndGroup) isLast() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// over is the reason why a stop hook's request is not served any more. In a final group the next
// owner does not serve it either, so trying again is useless.
func (g *EndGroup) over() error {
	if g.final {
		return ErrEnded
	}
	return ErrStopping
}
