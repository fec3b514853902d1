// Which turns wait for a call, and where it stands in line

package dispatch

import (
	"context"

	"github.com/clstr-go/clstr/internal/turn"
)

// Turn is one run of a handler or a hook that waits for a call, with those that
// wait for it in turn. Transports carry it to the call's owner: see [Wait.For] and
// [Call.SetWaiting].
type Turn = turn.Turn

// For says that the wait is for a call to shard, and returns the turns that wait
// for it, the nearest first: the one that ctx belongs to, and those that wait for
// that. It returns nil outside of handlers and hooks, and where the handler or hook
// has returned, because nothing waits for a goroutine that goes on. If a handler goes on after its call was answered, For
// returns the handler's turn alone.
func (w *Wait) For(ctx context.Context, shard int) *Turn {
	t := w.turn
	if t == nil {
		if w.call.Call != nil {
			t = w.call.turn().Asking()
		} else {
			t = Waiting(ctx)
		}
		if t == nil {
			return nil
		}
		w.turn = t
	}
	w.shard = uint32(shard)
	t.Wait(w.shard)
	return t
}

// Waiting returns the turns that would wait for a call that is made with ctx, as
// [Wait.For] does.
func Waiting(ctx context.Context) *Turn {
	if !turn.Inside(ctx) {
		return nil
	}
	if c := lend(ctx); c.Call != nil {
		defer c.giveBack()
		return c.turn().Asking()
	}
	if m, ok := ctx.Value(turn.MakerKey{}).(turn.Maker); ok {
		return m.Asks()
	}
	return nil
}

// turns is a call as turns see it: which of them wait for it, its own, and where it
// stands in line.
type turns struct {
	arrival
	by   *Turn         // those that wait for it, or for its acceptance; set before it is accepted
	fn   *funcReceiver // what runs it, where that is a plain func
	self *Turn         // its handler's turn, made when that asks something; guarded by mu
}

// chain is what turns has of few calls. It is guarded by the call's mu.
type chain struct {
	place *turn.Asked // where it stands in line
	probe *probe      // while it does
}

// SetWaiting says which turns wait for the call, the nearest first, before it is
// dispatched.
func (c *turns) SetWaiting(t *Turn) { c.by = t }

// Waiting returns the turns that wait for the call's reply, the nearest first; nil for
// none, and for a notification.
func (c *turns) Waiting() *Turn {
	if !c.AwaitsReply() {
		return nil
	}
	return c.by
}

// Turn returns the turn of the call's handler; nil while that has asked nothing,
// and when it has returned.
func (c *turns) Turn() *Turn {
	if c.bits.Load()&bitTurn == 0 {
		return nil
	}
	return c.turn()
}

// turn returns the turn of the call's handler; nil if none runs.
func (c *turns) turn() *Turn {
	if !c.runs() {
		return nil
	}
	by := c.Waiting()
	stop, past := turn.Key, 0
	if !c.AwaitsReply() {
		stop, past = c.stopHook()
	}
	role := turn.Key
	if c.fn != nil {
		role = turn.Func
	}
	c.mu.Lock()
	t := c.self
	if t == nil {
		t = turn.New(uint32(c.env.Shard), role, c.env.Kind, c.more.keyOf(&c.env), by)
		if stop != turn.Key {
			t.Serves(stop, past+1)
		}
		c.self = t
		c.bits.Or(bitTurn)
	}
	c.mu.Unlock()
	switch now := c.bits.Load(); { // at the same moment, perhaps
	case now&bitEnded != 0:
		t.End()
		return nil
	case now&bitAnswered != 0:
		t.Answered()
	}
	return t
}

// answered is called when the call has its answer, before its sender is told. From then on no turn waits for the call's.
func (c *turns) answered() {
	c.mu.Lock()
	t := c.self
	c.mu.Unlock()
	t.Answered()
}

// endTurn is called when the handler has returned; old are the bits of before.
func (c *turns) endTurn(old uint32) {
	if old&bitTurn != 0 {
		c.mu.Lock()
		t := c.self
		c.mu.Unlock()
		t.End()
	}
}

// queue says where the call stands in line, until it starts or is answered. It returns
// false if turns do not wait for it, or if that has happened already.
func (c *turns) queue(p turn.Place) bool {
	by := c.Waiting()
	if by == nil {
		return false
	}
	place := by.Queue(p)
	c.mu.Lock()
	c.rest().place = place
	c.mu.Unlock()
	_, ok := c.change(0, bitStarted|bitAnswered, bitPlaced)
	if !ok { // meanwhile
		c.leavePlace()
	}
	return ok
}

// leavePlace is called once or twice when a call that was queued has started, or was
// answered before.
func (c *turns) leavePlace() {
	c.mu.Lock()
	p := c.more.place
	c.more.place = nil
	if probe := c.more.probe; probe != nil {
		if c.sub.d.clock.Remove(&probe.Node) {
			c.more.probe = nil // otherwise it may look at the call now: see Spent
		}
	}
	c.mu.Unlock()
	if p != nil {
		p.Leave()
	}
}

// WaitedFor reports whether a turn of the given shard waits for what is asked with
// ctx.
func WaitedFor(ctx context.Context, shard uint32) bool {
	for t := range Waiting(ctx).Line() {
		if t.Shard == shard {
			return true
		}
	}
	return false
}
