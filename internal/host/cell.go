// One key: its name, its mailbox, and the runs of its turns

package host

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// cell is one key, with all incarnations of its actor. Lock order: shard.mu, mailbox.mu.
type cell struct {
	shard *shard
	key   string
	used  atomic.Int64 // the moment of the last delivery, in host.ages

	place   place                 // in host.ages
	slot    pool.Slot             // of the turn that runs; the worker's
	spawned pactor.MessageInvoker // between RegisterHandlers and Start, on the supervisor's turn

	mailbox mailbox
	gone    chan struct{} // closed when the key is dead; nil unless it was cut off; guarded by shard.mu
}

var (
	_ pool.Task = (*cell)(nil)
	_ Place     = (*cell)(nil)
)

// Run implements pool.Task: it handles the waiting messages, then lets other keys run.
func (c *cell) Run(slot pool.Slot) {
	c.slot = slot
	for c.runTurns() {
	}
}

// throughput is how many messages a key handles before it lets others run.
const throughput = 256

// runTurns handles messages until there is none, it has had its share, or one
// panics. It returns true after a panic: the system messages that follow from the
// panic are there already.
func (c *cell) runTurns() (again bool) {
	var current any
	returned := false
	defer func() {
		if returned {
			return
		}
		again = true
		value := recover()
		if value == nil { // runtime.Goexit: this goroutine ends, another goes on
			value = "runtime.Goexit"
			defer c.handOver(true)
			if current == nil || leftTurn(current) {
				return
			}
		}
		c.failed(current, value)
	}()
	user := false // the turn before was no system message's
	for n := 0; ; n++ {
		m, invoker, isUser := c.mailbox.next(user)
		user = isUser
		t := handling{c, invoker}
		current = m
		switch m {
		case nil:
			returned = true
			c.shard.host.bound.keepAfter(c)
			return false
		case passivateTurn:
			c.passivate()
			continue
		case drainTurn:
			t.hearOfDrain()
		default:
			if !user {
				t.system(m)
			} else if x := t.handle(m); x != nil {
				current = nil // it is not the actor that ends the goroutine from here on
				x.end()
			}
		}
		current = nil
		if n >= throughput && !(user && c.mailbox.stands().leaving) {
			returned = true
			c.handOver(true)
			return false
		}
	}
}

// handOver gives the cell to the pool if it has something to run.
func (c *cell) handOver(runs bool) {
	if runs {
		c.shard.host.system.pool.Go(c)
	}
}

func (c *cell) Running() *Turn {
	c.mailbox.mu.Lock()
	var call Call
	now := c.mailbox.now
	if now != nil {
		call = now.call // which the turn may put behind its outlet
	}
	c.mailbox.mu.Unlock()
	if now == nil || !turn.Enter(&now.gate) {
		return nil
	}
	defer turn.Leave(&now.gate)
	return call.Turn()
}

// closesCircle returns an error if the turn that runs waits for m, because m would then wait
// for itself.
func (c *cell) closesCircle(m *Context) *outcome.Error {
	line := m.call.Waiting()
	if line == nil {
		return nil
	}
	now := c.Running()
	if now == nil || line.Find(now.Number) == nil || !now.HoldsUp() {
		return nil
	}
	return failure(outcome.ErrCircle, "%s", turn.Asks(line.Circle(now.Number)))
}

// passivate is the turn on which a key stops because it has asked for that, or because it was woken
// and has nothing to do.
func (c *cell) passivate() {
	if s := c.mailbox.holding(); s != nil && !s.stores() {
		c.mailbox.stays()
		return
	}
	c.stop(c.mailbox.stopNow(false))
}

// stopIdle passivates the key unless it is busy.
func (c *cell) stopIdle() bool { return c.stop(c.mailbox.stopIdle()) }

// stop stops the incarnation that the mailbox has told to stop. pid is nil for none.
func (c *cell) stop(pid *PID) bool {
	if pid == nil {
		return false
	}
	c.shard.host.count(-1)
	c.shard.host.system.as.Root.Stop(pid)
	return true
}

// cutOff gives up the key, because the time for its end is over.
func (c *cell) cutOff() {
	b := &c.mailbox
	b.mu.Lock()
	b.to(evCut)
	mail, hook, g := b.mail.take(isAny), b.hook(), b.group
	b.group = nil
	b.mu.Unlock()
	c.refuse(mail, hostStops(c.key))
	if hook != nil {
		hook.endContext(false)
	}
	if g != nil {
		g.ended(c, false)
	}
	c.stop(b.stopNow(false))
}

// failed answers the message that panicked and the calls whose answers the actor owes, and tells the
// supervisor.
func (c *cell) failed(current any, value any) {
	switch m := current.(type) {
	case *Context:
		m.call.Panicked(value)
		m.call.End()
	default:
		c.logPanic(fmt.Sprintf("%T", current), value)
	}
	c.mailbox.outlet.abandon()
	c.breaks()
	b := &c.mailbox
	b.mu.Lock()
	b.to(evStay) // the incarnation that asked for it is over anyway
	invoker := b.invoker
	ends := invoker != nil && b.state.life == stopping
	if ends {
		// Protoactor would suspend an actor that is half gone. Its end is finished
		// instead, on a turn of its own: what is left may fail as well.
		b.system = append(b.system, &pactor.Terminated{Who: selfOf(invoker)})
	}
	b.mu.Unlock()
	s, _ := actorOf(invoker).(*shell)
	if s == nil {
		return
	}
	s.broken = true
	ctx := invoker.(pactor.Context)
	switch {
	case ends:
		for _, child := range ctx.Children() {
			ctx.Stop(child)
		}
	case s.inner == nil: // it was not activated, and must not be left without an actor
		ctx.Stop(ctx.Self())
	default:
		invoker.EscalateFailure(fmt.Sprintf("panic: %T", value), nil)
	}
}

// refuse answers messages that were taken out of the mailbox.
func (c *cell) refuse(messages []any, why *outcome.Error) {
	for _, m := range messages {
		if x, ok := m.(*Context); ok {
			x.call.Fail(why)
		} else {
			c.deadLetter(m)
		}
	}
}

// refuseAll is refuse for everything in the mailbox.
func (c *cell) refuseAll(why *outcome.Error) { c.refuse(c.mailbox.take(isAny), why) }

// refuseMail makes a dead letter of mail by process id, because such mail has no other answer.
func (c *cell) refuseMail(message any, why error) {
	c.log().Warn("a message sent by process id has become a dead letter", slog.Any("why", why),
		slog.String("type", fmt.Sprintf("%T", pactor.UnwrapEnvelopeMessage(message))))
	c.deadLetter(message)
}

// deadLetter takes mail by process id that no incarnation will handle.
// protoactor tells its sender, if it has one.
func (c *cell) deadLetter(message any) {
	if _, tick := message.(*ticker); !tick {
		c.shard.host.system.as.DeadLetter.SendUserMessage(c.self(), message)
	}
}

// log names the key in each line.
func (c *cell) log() *slog.Logger {
	h := c.shard.host
	return h.system.log.With(sparse.Entity(h.opts.Kind, c.shard.id, c.key))
}

// logPanic is called from the deferred function that recovered.
func (c *cell) logPanic(what string, value any) {
	c.log().Error("actor panicked", slog.String("message", what), sparse.Panic(value))
}

func clockOf(c *cell) *expiry.Set { return &c.shard.host.system.clock }

func (c *cell) self() *PID {
	c.mailbox.mu.Lock()
	defer c.mailbox.mu.Unlock()
	return selfOf(c.mailbox.invoker)
}

func selfOf(invoker pactor.MessageInvoker) *PID {
	if ctx, ok := invoker.(pactor.Context); ok {
		return ctx.Self()
	}
	return nil
}

func actorOf(invoker pactor.MessageInvoker) Actor {
	if ctx, ok := invoker.(pactor.Context); ok {
		return ctx.Actor()
	}
	return nil
}
