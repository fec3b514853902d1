// One turn of a key: a message, one of protoactor's own, or the notice of a drain

package host

import (
	"log/slog"
	"maps"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// handling is one message in the hands of an incarnation.
type handling struct {
	c       *cell
	invoker pactor.MessageInvoker
}

// handle returns a call that has been handled and still has to be told so.
func (t handling) handle(m any) *Context {
	x, ok := m.(*Context)
	switch {
	case !ok && !isOwn(m) && t.c.shard.lapsed():
		t.c.refuseMail(m, notOwned(t.c.key))
		return nil
	case !ok:
		t.beside(func() { t.invoker.InvokeUserMessage(m) })
		return nil
	case !x.call.Start(t.c.slot):
		return nil
	}
	x.cell = t.c
	g := t.c.mailbox.outlet.gate(x)
	switch around := t.c.shard.host.opts.Around; {
	case !t.runs(x, g):
	case around == nil:
		t.invoke(x)
	default:
		if answer := around(x.call, func() { t.invoke(x) }); answer != nil {
			x.guard(nil, answer)
		}
	}
	if g != nil && t.settle(g) {
		return x
	}
	switch {
	case x.done:
	case x.call.Err() != nil: // it has its answer
	case !x.call.AwaitsReply(): // a notification is done: it keeps no key
		x.call.Reply(nil, nil)
	default:
		t.c.owes(x.call)
	}
	return x
}

// settle ends the turn of a call of a durable key. It returns false if the handler has left the
// call open.
func (t handling) settle(g *gated) bool {
	if !g.AwaitsReply() {
		g.Reply(nil, nil)
	}
	if s, ok := actorOf(t.invoker).(*shell); ok {
		_ = t.c.mailbox.outlet.settle(s) // the call was told
	}
	b := &t.c.mailbox
	b.mu.Lock()
	defer b.mu.Unlock()
	return g.answered
}

// beside runs what handles no call. It may change the state of a durable protoactor actor.
func (t handling) beside(f func()) {
	if !t.c.mailbox.outlet.enter(false) {
		f()
		return
	}
	f()
	if s, ok := actorOf(t.invoker).(*shell); ok && s.live {
		_ = t.c.mailbox.outlet.settle(s) // no caller is to be told
	} else {
		t.c.mailbox.outlet.abandon()
	}
}

// invoke has the actor handle a call. An actor of protoactor's kind answers to a process, with
// ctx.Respond, now or later.
func (t handling) invoke(x *Context) {
	s, ok := actorOf(t.invoker).(*shell)
	if !ok || s.entity != nil {
		t.invoker.InvokeUserMessage(x)
		return
	}
	to := &pactor.MessageEnvelope{Header: maps.Clone(x.call.Message().Headers)}
	if !x.Decode(nil, func() (err error) { to.Message, err = t.c.shard.host.opts.decode(x); return err }) {
		return
	}
	s.turn = x
	defer func() { s.turn = nil }()
	if x.call.AwaitsReply() {
		to.Sender = t.c.shard.host.system.replies.expect(x)
	}
	t.invoker.InvokeUserMessage(to)
}

// system handles one of protoactor's own messages.
func (t handling) system(m any) {
	b := &t.c.mailbox
	switch m.(type) {
	case *pactor.SuspendMailbox:
		b.change(t.invoker, evSuspend)
		return
	case *pactor.ResumeMailbox:
		b.change(t.invoker, evResume)
		return
	case *pactor.Stop:
		t.c.shard.host.count(b.change(t.invoker, evStop))
	case *pactor.Restart:
		// Protoactor would revive an actor that has failed and was stopped before
		// its supervisor heard of the failure.
		if b.stands().life == stopping {
			return
		}
	case *pactor.Started:
	default:
		t.beside(func() { t.invoker.InvokeSystemMessage(m) })
		return
	}
	t.invoker.InvokeSystemMessage(m)
}

// hearOfDrain tells the actor that a drain waits for its answers. Then the calls that may go back
// go back, even if the actor panics.
func (t handling) hearOfDrain() {
	b := &t.c.mailbox
	b.mu.Lock()
	calls := b.debts.due
	b.debts.due = nil
	b.mu.Unlock()
	defer func() {
		for _, call := range calls {
			call.HandBack()
		}
	}()
	s, ok := actorOf(t.invoker).(*shell)
	switch {
	case !ok || s.inner == nil:
	case s.entity == nil:
		if m := t.c.shard.host.opts.Draining; m != nil {
			t.beside(func() { t.invoker.InvokeUserMessage(m) })
		}
	default:
		h := beginHook(t.c, draining, s.hookTimeout())
		defer h.end()
		if err := s.onTurn(func() error { return s.entity.Drain(&h.own) }); err != nil {
			t.c.log().Error("OnDrain failed", slog.Any("error", err))
		}
	}
}
