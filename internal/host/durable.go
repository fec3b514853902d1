// A turn of a durable key: what it has changed is stored, or it is undone

package host

import (
	"context"
	"errors"
	"log/slog"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/state"
)

// gate puts a call behind the outlet, and begins its turn. It returns nil for a key that is not
// durable.
func (o *outlet) gate(x *Context) *gated {
	if o == nil {
		return nil
	}
	g := &gated{Call: x.call, cell: o.cell}
	s, surrounded := x.call.(interface{ Through(func(Call) Call) })
	if surrounded {
		s.Through(func(way Call) Call { g.Call = way; return g })
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	defer mu.Unlock()
	if !surrounded {
		x.call = g
	}
	o.turn = &leaving{own: g}
	return g
}

// enter begins a turn that handles no call. It returns false if the key is not durable, or if
// such a turn runs already.
func (o *outlet) enter(begins bool) bool {
	if o == nil {
		return false
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	defer mu.Unlock()
	if o.turn != nil {
		return false
	}
	o.turn = &leaving{begins: begins}
	return true
}

// abandon ends a turn that has not returned. Its answers are forgotten.
func (o *outlet) abandon() {
	if o == nil {
		return
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	var given line
	if o.turn != nil {
		given, o.turn = o.turn.given, nil
	}
	mu.Unlock()
	given.release(failure(ErrPanicked, nil, "key %.64q", o.cell.key))
}

// onTurn runs a method that no call causes as a turn: its error undoes its changes.
func (o *outlet) onTurn(s *shell, method func() error) error {
	entered := o.enter(false)
	err := method()
	if err != nil {
		o.marks(func(t *leaving) { t.failed = true })
	}
	if entered {
		_ = o.settle(s) // the log says it
	}
	return err
}

// marks lets the running turn set a mark on itself, if the key is durable.
func (o *outlet) marks(f func(*leaving)) {
	if o == nil {
		return
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	defer mu.Unlock()
	if o.turn != nil {
		f(o.turn)
	}
}

// settle ends a turn: its changes are on their way to the store, and its answers wait
// for that. It returns an error if the state cannot be stored.
func (o *outlet) settle(s *shell) error {
	c := o.cell
	b := &c.mailbox
	t := o.turn // written on the turn only
	if t == nil {
		return nil // it has panicked, and begun anew
	}
	own := t.own
	failed := t.failed || own != nil && own.err != nil
	forget := t.delete && !failed
	var data []byte
	var is sum
	var err error
	changed := forget
	if !t.query && !forget {
		if data, err = s.stored.encode(); err == nil {
			is = sumOf(data)
		}
		changed = err != nil || is != o.sum
	}
	b.mu.Lock()
	o.turn = nil
	out := t.given
	var why error
	var over bool
	switch {
	case o.undone != nil: // meanwhile, and with it all that was computed since
		if own != nil && !own.answered {
			own.answered = true
			out.add(own)
		}
		why = o.undone
	case changed && (failed || err != nil):
		t.undo(notStored(err))
		out, over = t.given, b.startOver(t.begins)
		s.broken = true
	case changed:
		o.sum = is
		o.keep(data, forget)
		if own != nil {
			own.changed = true
		}
		if forget && !t.begins {
			s.broken = true // its stop hook would bring it back
			if b.state.end == woken {
				over = b.startOver(false)
			} else {
				b.to(evLeave)
			}
		}
	}
	if why == nil && o.waits() {
		o.wait(out)
		out = line{}
	}
	r := o.due()
	b.mu.Unlock()
	if changed && own != nil && !own.answered {
		own.Call.NoEffect(false)
	}
	out.release(why)
	o.send(r)
	if s.broken && !forget {
		c.forgets()
	}
	c.handOver(over)
	return err
}

// undo takes back what was answered on the turn: its own call has failed with its error or, if
// it has not failed, with why. Other answers are not known to be true any more.
func (t *leaving) undo(why *Failure) {
	for g := t.given.first; g != nil; g = g.next {
		if g != t.own {
			g.err = failure(ErrForgotten, nil, "key %.64q: the turn that answered was undone", g.cell.key)
		}
	}
	switch own := t.own; {
	case own == nil || own.err != nil:
	case own.answered:
		own.err = why
	default:
		own.answered, own.err = true, why
		t.given.add(own)
	}
}

// due returns the change that is to go out now; nil if there is none. A write-behind key has its
// time for that. It is called with mu held.
func (o *outlet) due() *state.Record {
	r := o.change()
	if u := o.fresh; r == nil && u != nil && u.dirty && !u.sending && o.persist.Behind > 0 && u.timer == nil {
		u.timer = new(expiry.Node)
		o.clock().Add(u.timer, o, expiry.Plus(expiry.Now(), o.persist.Behind))
	}
	return r
}

func (o *outlet) clock() *expiry.Set { return &o.cell.shard.host.system.clock }

// Expire implements [expiry.Expirer]: the time of a write-behind key is up.
func (o *outlet) Expire() {
	mu := &o.cell.mailbox.mu
	mu.Lock()
	var r *state.Record
	if u := o.fresh; u != nil && u.dirty && !u.sending {
		r = o.begin()
	}
	mu.Unlock()
	o.send(r)
}

// send gives a change to the keeper to store; nil is none.
func (o *outlet) send(r *state.Record) {
	if r != nil {
		s := o.cell.shard
		s.host.opts.Keeper.Commit(s.id, state.Change{Kind: s.host.opts.Kind, Key: o.cell.key, Record: r}, o.committed)
	}
}

// committed is called by the keeper when a change has ended, on any goroutine.
func (o *outlet) committed(_ state.Rev, err error) {
	c := o.cell
	b := &c.mailbox
	b.mu.Lock()
	var out line
	var why *Failure
	var over, rests bool
	if err == nil {
		out = o.accepted()
	} else {
		why = refusal(err)
		if out, over = o.refused(why); over {
			over = b.startOver(false)
		}
	}
	r := o.due()
	rests, undone := o.fresh == nil, o.undone != nil
	b.mu.Unlock()
	if why == nil {
		out.release(nil)
	} else {
		c.log().Warn("a change was not stored", slog.Any("error", why), slog.Bool("tried_again", !undone))
		out.release(why)
	}
	o.send(r)
	if undone {
		c.forgets()
	}
	if rests && c.shard.host.bound.isExceeded() {
		over = b.look() || over
	}
	c.handOver(over)
}

// rest waits, at the end of an incarnation, for the change that is on its way, because the next
// incarnation must find it. A change that is not on its way is lost. Only write-behind keys have
// such changes.
func (o *outlet) rest(s *shell, lost bool) {
	if o == nil {
		return
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	rests := o.fresh == nil
	mu.Unlock()
	if rests {
		return
	}
	h := beginHook(s.cell, passivation, s.hookTimeout())
	defer h.end()
	var err error
	h.Wait(func() { err = o.awaitStored(context.Background(), !lost) })
	mu.Lock()
	left := o.fresh != nil
	o.fresh = nil
	mu.Unlock()
	if left {
		s.cell.log().Error("the newest state of a write-behind key is lost", slog.Any("error", err))
	}
}

func notStored(cause error) *Failure { return &Failure{Why: ErrNotStored, Cause: legible(cause)} }

// refusal makes a Failure of a keeper's error.
func refusal(err error) *Failure {
	switch {
	case errors.Is(err, state.ErrDeposed):
		return &Failure{Why: ErrDeposed, Cause: err}
	case state.Refused(err):
		return notStored(err)
	}
	return &Failure{Why: ErrInDoubt, Cause: err}
}
