// Answers that come after the turn: the key stays active for them

package actor

import (
	"maps"
	"slices"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// Draining is sent to a protoactor actor that owes answers when its shard begins to
// move, or its node to end. On that turn it may still answer. What it has declared with
// [NoEffect], and has not answered, goes back when the turn has ended, and its sender
// asks the next owner. Any other answer has half a second; then its sender is told that
// the request may have run.
type Draining struct{}

// drainer is an [Entity] that wants to be told of a drain, on its turn, while it owes
// answers.
type drainer interface{ Drain(*Context) }

// leftOpen is called on the turn of a call that its handler has not answered: the
// cell counts as busy until somebody does, or the call's time is up. also is
// called then as well; it may be nil.
func (c *cell) leftOpen(call Call, also func()) {
	c.mu.Lock()
	if c.open == nil {
		c.open = map[Call]struct{}{}
	}
	c.open[call] = struct{}{}
	c.mu.Unlock()
	call.AfterAnswer(func() {
		if also != nil {
			also()
		}
		c.answered(call)
	})
	call.OnDrain(func() { c.drains(call) })
}

// answered is called when a call that was left open has ended. A cell that was
// kept by it alone may be what the host's bound waits for: it gets a turn, at
// whose end the host looks.
func (c *cell) answered(call Call) {
	h := c.shard.host
	c.mu.Lock()
	if delete(c.open, call); len(c.open) == 0 {
		c.open = nil // a map keeps its room
	}
	look := len(c.open) == 0 && c.invoker != nil && !c.is(scheduled|dead) && h.over()
	if look {
		c.flags |= scheduled
	}
	c.mu.Unlock()
	if look {
		h.system.pool.Go(c)
	}
}

// breaks answers what an actor owes that has panicked: it has forgotten.
func (c *cell) breaks() {
	for _, call := range c.openCalls() {
		call.Fail(failure(ErrPanicked, nil, "key %.64q owed the answer", c.key))
	}
}

// forgets answers what an incarnation owes that has ended. What has had no effect goes
// to the next one.
func (c *cell) forgets() {
	for _, call := range c.openCalls() {
		if !call.HandBack() {
			call.Fail(failure(ErrForgotten, nil, "key %.64q owed the answer", c.key))
		}
	}
}

func (c *cell) openCalls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.open))
}

// owed is the calls that the key has yet to hear of, of those that a drain waits for.
type owed struct{ calls []Call }

// drains gives the key a turn, before its mail, on which it hears that a drain waits
// for its answer.
func (c *cell) drains(call Call) {
	c.mu.Lock()
	if c.owed == nil {
		c.owed = &owed{}
	}
	c.owed.calls = append(c.owed.calls, call)
	schedule := c.wake()
	c.mu.Unlock()
	if schedule {
		c.shard.host.system.pool.Go(c)
	}
}

// drain is what a cell's next turn is when a drain waits for its answers.
var drain any = new(byte)

// hearOfDrain is that turn. What may go back then does, also where the actor panics.
func (c *cell) hearOfDrain(invoker pactor.MessageInvoker) {
	c.mu.Lock()
	calls := c.owed.calls
	c.owed = nil
	c.mu.Unlock()
	defer func() {
		for _, call := range calls {
			call.HandBack()
		}
	}()
	s, ok := actorOf(invoker).(*shell)
	switch {
	case !ok || s.inner == nil:
	case s.entity == nil:
		invoker.InvokeUserMessage(&Draining{})
	default:
		if d, ok := s.entity.(drainer); ok {
			h := c.beginHook(draining, s.hookTimeout())
			defer h.end()
			d.Drain(&h.own)
		}
	}
}
