// The call that a context belongs to, and its headers; BeginWait and EndWait

package dispatch

import (
	"context"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
)

type callKey struct{}

// CallFrom returns the call that ctx belongs to: the call whose handler has got
// ctx or its parent. It returns nil outside a handler. The call may be kept, so it is not used again for another.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// OfCall reports whether ctx belongs to a call, as [CallFrom] does. The call may be used again.
func OfCall(ctx context.Context) bool {
	if !turn.Inside(ctx) {
		return false
	}
	c := lend(ctx)
	c.giveBack()
	return c.Call != nil
}

// lent is the call that a context belongs to, until it is given back. Meanwhile the call is not used again.
type lent struct {
	*Call            // nil outside a handler
	gate  *turn.Gate // nil if the call may be kept
	own   bool       // the context is the call's own, so both end together
}

// lend is [CallFrom] for code that gives the call back.
func lend(ctx context.Context) lent {
	g, own := turn.GateOf(ctx)
	if g != nil && turn.Enter(g) {
		if c, ok := ctx.Value(turn.LentKey{}).(*Call); ok {
			return lent{c, g, own}
		}
		turn.Leave(g)
	}
	return lent{Call: CallFrom(ctx)}
}

func (l lent) giveBack() {
	if l.gate != nil {
		turn.Leave(l.gate)
	}
}

// BeginWait says that a handler waits for another call, so that it does not
// count against the limits on running handlers and on calls in flight meanwhile:
// handlers that ask each other cannot starve. ctx is the handler's or derived from it. Transports call
// it around the wait, and EndWait after; both do nothing outside a handler or a
// hook of an entity's.
func BeginWait(ctx context.Context) (w Wait) {
	if turn.Inside(ctx) {
		w.begin(ctx)
	}
	return w
}

// begin is BeginWait for a context that may be a turn's.
func (w *Wait) begin(ctx context.Context) {
	if c := lend(ctx); c.Call != nil {
		var waits, left bool
		if c.bits.Or(bitAsks)&bitEnded == 0 { // otherwise a goroutine of the handler's goes on
			waits, left = c.slot.BeginWait()
		}
		if left {
			c.sub.life.count(-1)
		}
		if waits {
			w.call = c
		} else {
			c.giveBack()
		}
	} else if h := pool.HeldFrom(ctx); h != nil {
		if waits, _ := h.BeginWait(); waits {
			w.hook = h
		}
	}
}

// Wait is a wait that BeginWait has begun.
type Wait struct {
	call lent
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
	case c.Call != nil:
		if c.slot.EndWait(ctx) {
			c.sub.life.count(1)
		}
		c.giveBack()
	}
}

// HeadersOf returns the headers of the call whose handler ctx belongs to; nil outside
// a handler, in a hook, and where the call has none. They must not be changed.
func HeadersOf(ctx context.Context) map[string]string {
	c := lend(ctx)
	if c.Call == nil {
		return nil
	}
	defer c.giveBack() // one with headers is not used again
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.env.Headers
}
