// The call as its handler's context; BeginWait and EndWait

package dispatch

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
)

var _ context.Context = (*Call)(nil)

type callKey struct{}

// Deadline implements context.Context: the caller's deadline, the envelope's
// TTL or the node's handler timeout, whichever is first.
func (c *Call) Deadline() (time.Time, bool) {
	until := c.runUntil
	if until == 0 {
		return time.Time{}, false
	}
	return time.Now().Add(expiry.Until(until)), true
}

// Done implements context.Context. The channel is made when it is first asked for:
// most handlers never do.
func (c *Call) Done() <-chan struct{} {
	done, lost := c.look(true)
	if lost {
		c.lose()
	}
	return done
}

// look is Done; lost is whether the shard was dropped before anybody looked. With
// note, somebody looks who must hear when the shard, or its lease, is lost.
func (c *Call) look(note bool) (done <-chan struct{}, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.rest()
	if m.done == nil {
		m.done = make(chan struct{})
		if c.ended != not {
			close(m.done)
			return m.done, false
		}
		if c.sub != nil {
			c.sub.d.clock.watchExactly(c)
		}
	}
	if note && c.ended == not && c.sub != nil && c.sub.standing.Leased() && c.bits.Load()&bitNoted == 0 {
		c.bits.Or(bitNoted)
		lost = !c.sub.asked.add(c, c.sub.standing)
	}
	return m.done, lost
}

// Err implements context.Context: context.Canceled if the caller has gone or
// has its reply, context.DeadlineExceeded if the time is up.
func (c *Call) Err() error {
	if c.sub != nil && c.sub.standing.Gone() {
		c.lose()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == not && c.until != 0 && expiry.Now() >= c.until {
		return context.DeadlineExceeded
	}
	return c.ended.err()
}

// Value implements context.Context. A caller's values do not travel, on no
// transport; headers do.
func (c *Call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	if c.sub != nil && c.sub.base != nil {
		return c.sub.base.Value(key)
	}
	return nil
}

// CallFrom returns the call that ctx belongs to: the one whose handler was
// given ctx or its parent. It returns nil outside a handler.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// BeginWait says that a handler waits for another call, so that it does not
// count against the limits on running handlers and on calls in flight meanwhile:
// handlers that ask each other cannot starve. ctx is the handler's or derived from it. Transports call
// it around the wait, and EndWait after; both do nothing outside a handler or a
// hook of an entity's.
func BeginWait(ctx context.Context) Wait {
	if c := CallFrom(ctx); c != nil {
		waits, left := c.slot.BeginWait()
		if left {
			c.sub.life.busy.Add(-1)
		}
		if waits {
			return Wait{call: c}
		}
	} else if h := pool.HeldFrom(ctx); h != nil {
		if waits, _ := h.BeginWait(); waits {
			return Wait{hook: h}
		}
	}
	return Wait{}
}

// Wait is what BeginWait has begun.
type Wait struct {
	call *Call
	hook *pool.Held

	turn  *Turn // see For
	shard uint32
}

// EndWait ends what BeginWait began; it may wait for a free slot, until the
// context that BeginWait was given ends. A handler that
// waits on several goroutines goes without a slot until the last of them has its
// answer: the calls that the others wait for may need that slot.
func (w Wait) EndWait(ctx context.Context) {
	if w.turn != nil {
		w.turn.Waited(w.shard)
	}
	switch c := w.call; {
	case w.hook != nil:
		w.hook.EndWait(ctx)
	case c != nil && c.slot.EndWait(ctx):
		c.sub.life.busy.Add(1)
	}
}
