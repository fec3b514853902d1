// A turn of a durable key: what it has changed is stored, or it is undone

package host

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// gate puts a call behind the outlet, and begins its turn. It returns nil for a key that is not
// durable.
func (o *outlet) gate(x *Context) *gated {
	if o == nil {
		return nil
	}
	g := spareGated.Get().(*gated)
	g.Call, g.cell = x.call, o.cell
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
	g.of = o.begun
	o.turn = newLeaving()
	o.turn.own = g
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
	o.turn = newLeaving()
	o.turn.begins = begins
	return true
}

// abandon ends a turn that has not returned: its answers are taken back.
func (o *outlet) abandon() {
	if o == nil {
		return
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	var out line
	why := failure(outcome.ErrPanicked, "key %.64q", o.cell.key)
	if o.undone == nil {
		o.undo(why)
	}
	t := o.turn
	if t != nil {
		o.turn = nil
		t.undo(why)
		if out = t.given; o.fresh != nil {
			out = out.behind(o)
		}
	}
	r := o.due()
	mu.Unlock()
	out.release(nil)
	t.free()
	o.send(r)
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
	b := &o.cell.mailbox
	b.mu.Lock()
	t := o.turn
	if t == nil { // it has panicked, and the next incarnation has begun
		b.mu.Unlock()
		return nil
	}
	t.failed = t.failed || t.own != nil && t.own.err != nil
	t.asked = t.once || o.ids.waits()
	old := o.sum
	b.mu.Unlock()
	data, is, err := t.after(o.state, old)
	changed := is != old
	var why *outcome.Error
	var over, undone bool
	b.mu.Lock()
	o.turn = nil
	switch {
	case o.undone != nil: // meanwhile, and with it all that was computed since
		t.refuse(o.undone)
		why = o.undone
		if t.begins {
			err = why
		}
	case err != nil || changed && t.failed:
		o.undo(notStored(cmp.Or(err, errFailed)))
		t.undo(o.undone)
		over, undone = startOver(b, t.begins), true
	default:
		o.ids.keeps(data, t.delete && !t.failed)
		nothing := t.delete && (o.number == 0 && o.fresh == nil || t.begins && o.gone)
		if changed && !nothing && t.own != nil && !t.own.answered {
			o.ids.begin(t.own) // it is answered later
		}
		if t.once && o.ids.noteDone(t.given) || changed && !nothing {
			o.sum = is
			o.keep(data, t.delete && !t.failed)
			o.fresh.begins = o.fresh.begins || t.begins
		}
		if t.own != nil {
			t.own.changed = t.own.changed || changed // by a Save before
		}
		if changed && t.delete && !(t.begins && nothing) {
			over = leaveDeleted(b, t.begins)
			s.broken = true // its stop hook would bring it back
		}
	}
	out := t.given
	if why == nil && o.fresh != nil {
		out = out.behind(o)
	}
	r := o.due()
	open := t.own != nil && !t.own.answered && t.own.changed
	b.mu.Unlock()
	if open {
		t.own.Call.NoEffect(false)
	}
	out.release(why)
	t.free()
	o.send(r)
	if undone {
		s.broken = true
		o.cell.forgets()
	}
	o.cell.handOver(over)
	return err
}

// after returns the sum of the state that a turn has left, and the state, if it has changed or is asked for.
func (t *leaving) after(s persist.State, old persist.Sum) (data []byte, is persist.Sum, err error) {
	switch {
	case t.delete && !t.failed:
		return nil, persist.Sum{}, nil
	case t.query && !t.asked:
		return nil, old, nil
	}
	return s.After(old, t.asked)
}

// refuse answers the turn's own call, if nothing has.
func (t *leaving) refuse(why *outcome.Error) {
	if own := t.own; own != nil && !own.answered {
		own.answered, own.err = true, why
		t.given = append(t.given, own)
	}
}

// undo takes back the answers of the turn. Its own call fails with the turn's error or, if there is
// none, with why. The other answers may no longer be true.
func (t *leaving) undo(why *outcome.Error) {
	for _, g := range t.given {
		if g != t.own {
			g.err = lostAnswer("key %.64q: the turn that answered was undone", g.cell.key)
		}
	}
	if own := t.own; own != nil && own.answered && own.err == nil {
		own.err = why
	}
	t.refuse(why)
}

// due returns the change that is to go out now; nil if there is none. A write-behind key has its
// time for that. It is called with mu held.
func (o *outlet) due() *state.Change {
	r := o.change()
	u := o.fresh
	if r != nil || u == nil || !u.dirty || u.sending || u.timer != nil || o.state.Behind == 0 {
		return r
	}
	after := o.state.Behind
	switch {
	case !u.kept:
	case after < 0:
		after = retryKept
	default:
		after = min(after, retryKept)
	}
	if after > 0 {
		u.timer = new(expiry.Node)
		clockOf(o.cell).Add(u.timer, o, expiry.Plus(expiry.Now(), after))
	}
	return nil
}

// retryKept is how long a write-behind key waits at most after the store has refused its state.
const retryKept = 5 * time.Second

// send has the keeper store a change; nil is none.
func (o *outlet) send(c *state.Change) {
	if c != nil {
		s := o.cell.shard
		s.host.opts.Keeper.Commit(s.id, *c, o.committed)
	}
}

// committed is called by the keeper when a change has ended, on any goroutine.
func (o *outlet) committed(_ state.Rev, err error) {
	if err != nil {
		o.refusedWith(refusal(err))
		return
	}
	c := o.cell
	c.mailbox.mu.Lock()
	leaves := o.fresh.leaves
	out := o.accepted()
	r := o.due()
	rests := o.fresh == nil
	c.mailbox.mu.Unlock()
	out.release(nil)
	o.send(r)
	switch {
	case !rests:
	case c.shard.host.bound.isExceeded():
		c.handOver(c.mailbox.look())
	case leaves:
		c.stopIdle()
	}
}

// refusedWith ends a change that was not stored. The incarnation starts over. If its
// activation has made the change, the incarnation ends, because it would make the change again at once.
func (o *outlet) refusedWith(why *outcome.Error) {
	c := o.cell
	c.mailbox.mu.Lock()
	begins := o.fresh.begins
	out, undone := o.refused(why)
	over := undone && startOver(&c.mailbox, begins)
	r := o.due()
	c.mailbox.mu.Unlock()
	c.log().Warn("a change was not stored", slog.Any("error", why), slog.Bool("kept_in_memory", !undone))
	if !undone {
		why = kept(why)
	}
	out.release(why)
	o.send(r)
	if undone {
		c.forgets()
	}
	if undone && begins {
		c.refuse(c.mailbox.take(isAny), c.shard.host.backoff.fails(c.shard.id, c.key, why))
		c.stop(c.mailbox.stopNow(false))
	}
	c.handOver(over)
}
