// One incarnation as protoactor sees it: activation, stop hooks

package host

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/sparse"
)

// shell is one incarnation of a key's actor, as protoactor knows it: it makes
// the user's actor on its own turn, where it may block and fail, and stands
// between it and what only concerns the key.
type shell struct {
	shard  *shard
	cell   *cell
	inner  Actor    // nil unless activated
	entity Entity   // inner, if it is one
	timed  *timed   // what inner sees, unless it is an entity
	set    Settings // the entity's
	timers []*ticker
	turn   *Context // of the message that a protoactor actor is at; set on the turn
	live   bool     // activated, and not ended
	broken bool     // has panicked
	lost   bool     // its activation has failed where another may own the shard
	ended  bool     // was told that it has stopped
}

func (s *shell) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *Context:
		s.entity.Handle(m)
	case *ticker:
		m.run(s)
	case *pactor.Started:
		s.start(ctx)
	case *pactor.Stopping:
		s.stopping(ctx)
	case *pactor.Restarting:
		s.over(ctx)
	case *pactor.Stopped:
		if !s.ended { // twice, if it ended its goroutine the first time
			s.ended = true
			s.over(ctx)
		}
	case *pactor.Terminated:
		if ctx.Self().Equal(m.Who) {
			return // how a cell finishes an end that has failed
		}
		s.toActor(ctx)
	default:
		s.toActor(ctx)
	}
}

// toActor gives a message that is not ours to the user's actor.
func (s *shell) toActor(ctx pactor.Context) {
	switch {
	case s.timed != nil && s.shard.lapsed() && isOwn(ctx.Message()):
		s.timed.restart() // another node may own the key: it may do nothing now
	case s.timed != nil:
		s.timed.receive(s.inner)
	case s.inner != nil:
		s.inner.Receive(ctx)
	}
}

// start makes the user's actor. A failure goes to all messages that wait, and ends
// the incarnation; a message that comes when the key may be tried again gets another.
func (s *shell) start(ctx pactor.Context) {
	if s.cell == nil { // restarted, with mail or without: protoactor has made this shell, no spawn did
		if s.cell = s.shard.supervisor.find(ctx.Self()); s.cell == nil {
			return
		}
	} else if !s.cell.mailbox.wanted() {
		ctx.Stop(ctx.Self())
		return
	}
	if lossOf(s.cell) != unlost { // it would live beside the next owner's
		s.cell.refuseAll(notOwned(s.cell.key))
		ctx.Stop(ctx.Self())
		return
	}
	err, returned := errPanic, false
	defer func() {
		if !returned {
			value := recover()
			if value == nil { // it goes on, and ends this goroutine
				value = "runtime.Goexit"
			}
			s.cell.logPanic("activation", value)
		}
		if s.live = err == nil; !s.live {
			s.shard.host.observers.apart(Observer.ActivationFailed)
			s.giveUp(ctx, err)
			return
		}
		s.shard.host.backoff.succeeds(s.shard.id, s.cell.key)
		s.shard.host.observers.last(Observer.Activated) // it comes last: it may end the goroutine
	}()
	s.shard.host.returns.activates(s.cell)
	s.shard.host.observers.key(KeyObserver.KeyBegins, s.cell)
	err = s.activate(ctx)
	returned = true
}

// giveUp answers all waiting messages after a failed activation, because each
// message would otherwise wait for a try of its own. Mail by process id goes too, so
// that it cannot keep a key trying.
func (s *shell) giveUp(ctx pactor.Context, err error) {
	s.timed.forget()
	s.cell.mailbox.outlet.abandon() // first: a Save beside the turn looks at inner
	s.inner, s.entity, s.timed = nil, nil, nil
	h := s.shard.host
	h.observers.key(KeyObserver.KeyEnded, s.cell)
	s.cell.log().Warn("activation failed", slog.Any("error", err))
	why := notOwned(s.cell.key)
	if !s.lost { // its context has ended, which may well be why
		why = h.backoff.fails(s.shard.id, s.cell.key, err)
	}
	s.cell.refuse(slices.DeleteFunc(s.cell.mailbox.take(isAny), func(m any) bool {
		x, ok := m.(*Context)
		return ok && x.abandoned() // its sender has gone
	}), why)
	ctx.Stop(ctx.Self())
}

// errPanic stands for a panic's value, which may hold a payload.
var errPanic = errors.New("panic (see the node's log)")

func (s *shell) activate(ctx pactor.Context) (err error) {
	h := beginHook(s.cell, activation, s.hookTimeout())
	defer h.end()
	defer func() { s.lost, h.err, err = err != nil && h.lost(), err, h.failure(err) }()
	inner, err := s.shard.host.opts.Factory(s.cell.key)
	if err != nil {
		return legible(err)
	}
	if inner == nil {
		return errors.New("the factory returned no actor")
	}
	s.inner = inner
	if s.entity, _ = inner.(Entity); s.entity != nil {
		s.set = s.entity.Settings()
		s.shard.host.use(s.set)
		h.setLimit(s.hookTimeout())
	}
	if err := load(s, h); err != nil {
		return err
	}
	durable := s.cell.mailbox.outlet.enter(true)
	if s.entity != nil {
		if err := legible(s.entity.Activate(&h.own)); err != nil {
			return err
		}
		if durable {
			if err := s.cell.mailbox.outlet.settle(s); err != nil {
				return err
			}
		}
		for _, p := range s.set.Periodic {
			s.timers = append(s.timers, startTicker(s.cell, p, h.limit))
		}
		return nil
	}
	s.timed = &timed{Context: ctx, clock: &s.shard.host.system.clock}
	s.timed.receive(inner) // Started
	if durable {
		return s.cell.mailbox.outlet.settle(s)
	}
	return nil
}

// stopping runs the stop hook, unless another may own the key: then it could save
// nothing, and must not. A protoactor actor, which would save on Stopping, is told by
// Stopped only.
func (s *shell) stopping(ctx pactor.Context) {
	s.stopTimers()
	why := lossOf(s.cell)
	s.broken = s.broken || s.cell.mailbox.outlet.isUndone()
	defer s.rest(why != unlost) // also if the stop hook ends its goroutine
	switch {
	case s.inner == nil: // it was not activated
	case why != unlost:
		s.shard.host.system.losses.key(why, false, nil)
	case s.entity == nil || !s.broken:
		s.protect(ctx, s.passivate)
	}
}

func (s *shell) stopTimers() {
	for _, t := range s.timers {
		t.stop()
	}
	s.timers = nil
}

// passivate runs the stop hook. That of a protoactor actor is what it does on Stopping.
func (s *shell) passivate(ctx pactor.Context) {
	h := beginHook(s.cell, passivation, s.hookTimeout())
	defer h.end()
	defer func() {
		if h.lost() { // since it began
			s.shard.host.system.losses.key(byLease, true, h.err)
		}
	}()
	switch {
	case s.entity != nil:
		h.err = s.onTurn(func() error { return s.entity.Passivate(&h.own) })
	case s.broken: // what it changes is not kept
		s.toActor(ctx)
	default:
		h.err = s.onTurn(func() error { s.toActor(ctx); return nil })
	}
	if h.err != nil && !h.lost() {
		s.cell.log().Error("passivation failed", slog.Any("error", h.failure(h.err)))
	}
}

// watched is toActor for what a protoactor actor does on Restarting and Stopped, which counts as a hook.
func (s *shell) watched(ctx pactor.Context) {
	if s.inner != nil {
		h := beginHook(s.cell, passivation, s.hookTimeout())
		defer h.end()
		s.toActor(ctx)
	}
}

// hookTimeout is the host's, the definition's, or the default.
func (s *shell) hookTimeout() time.Duration {
	return cmp.Or(s.shard.host.opts.HookTimeout, s.set.HookTimeout, DefaultHookTimeout)
}

// over tells the user's actor that it has stopped or is replaced.
func (s *shell) over(ctx pactor.Context) {
	if s.live {
		s.live = false
		defer s.shard.host.observers.last(Observer.Passivated)
		defer s.shard.host.observers.key(KeyObserver.KeyEnded, s.cell)
	}
	defer s.timed.forget()
	s.stopTimers()
	if s.entity == nil { // its hook is Passivate
		s.protect(ctx, s.watched)
	}
}

// protect keeps a panic of a hook at the end of an incarnation from holding up
// the end.
func (s *shell) protect(ctx pactor.Context, f func(pactor.Context)) {
	defer func() {
		if value := recover(); value != nil {
			s.cell.log().Error("stop hook panicked", sparse.Panic(value))
		}
	}()
	f(ctx)
}
