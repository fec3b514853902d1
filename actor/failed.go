// What follows from a panic or an exit on a key's turn

package actor

import (
	"fmt"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// failed answers the message that panicked, and what the actor owes, and tells the
// supervisor.
func (c *cell) failed(current any, value any) {
	switch m := current.(type) {
	case *Context:
		m.call.Panicked(value)
		m.call.End()
	default:
		c.logPanic(fmt.Sprintf("%T", current), value)
	}
	c.breaks()
	c.mu.Lock()
	c.flags &^= leaving // the incarnation that asked for it is over anyway
	invoker := c.invoker
	ending := invoker != nil && c.is(stopping)
	if ending {
		// Protoactor would suspend an actor that is half gone. Its end is finished
		// instead, on a turn of its own: what is left may fail as well.
		c.system = append(c.system, &pactor.Terminated{Who: selfOf(invoker)})
	}
	c.mu.Unlock()
	s, _ := actorOf(invoker).(*shell)
	if s == nil {
		return
	}
	s.broken = true
	switch {
	case ending:
		ctx := invoker.(pactor.Context)
		for _, child := range ctx.Children() {
			ctx.Stop(child)
		}
	case s.inner == nil: // it was not activated, and must not be left without an actor
		invoker.(pactor.Context).Stop(selfOf(invoker))
	default:
		invoker.EscalateFailure(fmt.Sprintf("panic: %T", value), nil)
	}
}
