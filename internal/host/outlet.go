// outlet: where answers and messages of a durable key wait until its state is stored

package host

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// outlet is the way out of a durable key. The mailbox's mu guards it.
//
//	        a turn has changed the state               stored
//	rest -----------------------------------> sending ---------> rest
//	                                           |   ^
//	                        a turn changes it  |   | stored: all that has gathered goes together
//	                                           v   |
//	                                      sending, dirty
//
// If the store refuses a change, either state ends in rest with a reason: everything that was
// computed after that change is undone, and the incarnation starts over from the stored state.
// Write-behind keys may be dirty without sending.
type outlet struct {
	cell   *cell
	state  persist.State  // of the incarnation; written on the turn only
	sum    persist.Sum    // of the newest state; written on the turn only
	number uint64         // of the newest change
	turn   *leaving       // what leaves on the turn that runs; nil: none runs
	fresh  *unstored      // nil at rest
	undone *outcome.Error // why the incarnation must start over
	ids    *ids           // nil until there is a message with an ID
	begun  uint32         // incarnations that have begun or ended: answers of former ones count for nothing
	undos  uint32         // how often something was undone
	gone   bool           // the incarnation has found no state; used on the turn only
}

// leaving is what leaves on one turn, and what the turn has said of itself.
type leaving struct {
	own    *gated // the call that the turn handles; nil for none
	given  line   // answers, its own among them
	failed bool   // nothing of it is kept
	query  bool   // it promises not to change the state
	delete bool   // its key is to be forgotten
	begins bool   // it is the activation: there is nothing to start over from
	once   bool   // it has answered a message with an ID
	asked  bool   // its state is needed, changed or not: it goes with the answer to a message with an ID
	few    [1]*gated
}

// spareTurns has the answers of turns that have ended, to be used again. Only the outlet leads to them, while the turn runs.
var spareTurns = sync.Pool{New: func() any { return new(leaving) }}

func newLeaving() *leaving {
	t := spareTurns.Get().(*leaving)
	t.given = t.few[:0]
	return t
}

// free is called when the turn's answers have left, or wait elsewhere.
func (t *leaving) free() {
	if t != nil {
		*t = leaving{}
		spareTurns.Put(t)
	}
}

// unstored is the newest state, while it is not stored, and what waits for that.
type unstored struct {
	state   []byte
	deleted bool
	sending bool         // a change is on its way
	dirty   bool         // the state is newer than what is on its way
	begins  bool         // an activation has changed it, and would do so again
	kept    bool         // the store has refused it, and the key keeps it: counts in the host's bound
	leaves  bool         // the key was to be passivated
	sent    line         // waits for the change that is on its way
	next    line         // waits for the one after
	timer   *expiry.Node // of a write-behind key, while it is dirty
}

var _ turn.Durable = (*outlet)(nil)

// isUndone reports whether the incarnation has seen what is not so.
func (o *outlet) isUndone() bool {
	if o == nil {
		return false
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	defer mu.Unlock()
	return o.undone != nil
}

// busy reports whether the key must not be passivated: it would only wait.
func (o *outlet) busy() bool {
	return o != nil && o.fresh != nil && (o.fresh.sending || o.through())
}

// holds reports whether the key is write-behind and has a state that is not stored. Such a key is not
// passivated before that, because its state would be lost if the store refuses it. The state of a key
// that was deleted goes with its incarnation.
func (o *outlet) holds() bool {
	return o != nil && o.fresh != nil && o.state.Behind != 0 && !o.fresh.deleted
}

// hurry makes the clock store soon what a write-behind key holds. It does not do so itself, because callers hold locks.
func (o *outlet) hurry() {
	u := o.fresh
	if u.leaves = true; u.timer == nil {
		u.timer = new(expiry.Node)
	}
	clockOf(o.cell).Add(u.timer, o, expiry.Now())
}

// waits reports whether what leaves has to wait for the newest state.
func (o *outlet) waits() bool { return o.fresh != nil && o.state.Behind == 0 }

// through reports whether what is dirty goes out at once.
func (o *outlet) through() bool { return o.state.Behind == 0 || len(o.fresh.next) > 0 }

// keep takes a newer state.
func (o *outlet) keep(data []byte, deleted bool) {
	if o.fresh == nil {
		o.fresh = &unstored{}
	}
	u := o.fresh
	u.state, u.deleted, u.dirty, u.leaves = data, deleted, true, false
}

// wait puts answers behind the state.
func (u *unstored) wait(l line) {
	if u.dirty {
		u.next = append(u.next, l...)
	} else {
		u.sent = append(u.sent, l...)
	}
}

// undo says that what was computed since the last change that counts is not so. Until the key has
// begun anew, nothing that goes on from it leaves.
func (o *outlet) undo(why *outcome.Error) {
	o.undone = why
	o.undos++
}

// change returns the change that is to go out now; nil if there is none.
func (o *outlet) change() *state.Change {
	u := o.fresh
	if u == nil || u.sending || !u.dirty || !o.through() {
		return nil
	}
	return o.begin()
}

// markTime is how long a key that was deleted is known: what was on its way is decided by then.
const markTime = 24 * time.Hour

// begin is change for a state that is known to be dirty, and not to be on its way.
func (o *outlet) begin() *state.Change {
	u := o.fresh
	if u.timer != nil {
		clockOf(o.cell).Remove(u.timer)
		u.timer = nil
	}
	u.sent, u.next = u.next, nil
	u.sending, u.dirty = true, false
	o.number = max(o.number+1, 1) // see Record.Number
	r := &state.Record{Number: o.number, Version: o.state.Version, TTL: o.state.TTL, Deleted: u.deleted}
	if u.deleted {
		r.TTL = markTime
	} else {
		r.Type, r.State = o.state.Encoding(), u.state
	}
	c := &state.Change{Kind: o.cell.shard.host.opts.Kind, Key: o.cell.key, Record: r}
	if o.ids != nil {
		c.Spill = o.ids.Into(r, time.Now())
	}
	return c
}

// accepted ends a change that was stored. It returns what may leave.
func (o *outlet) accepted() (out line) {
	u := o.fresh
	if o.ids != nil {
		o.ids.Stored()
	}
	out, u.sent = u.sent, nil
	u.begins = false
	o.keptInMemory(false)
	if u.sending = false; !u.dirty {
		o.fresh = nil
	}
	return out
}

// refused ends a change that was not stored, or may not be. It returns what does not leave, and
// whether the incarnation must start over. A write-behind key keeps its state, and tries again,
// if the store still takes changes of its shard, and may take this one later.
func (o *outlet) refused(why *outcome.Error) (out line, over bool) {
	u := o.fresh
	out = append(u.sent, u.next...)
	u.sending, u.sent, u.next = false, nil, nil
	if o.state.Behind != 0 && why.Sentinel() == outcome.ErrNotStored && (!out.calls() || errors.Is(why, state.ErrFull)) {
		u.dirty = true
		if o.ids != nil {
			o.ids.Refused()
		}
		o.keptInMemory(true)
		return out, false
	}
	o.keptInMemory(false)
	o.fresh = nil
	o.undo(why)
	return out, true
}

// keptInMemory notes whether the key keeps a state that the store has refused.
func (o *outlet) keptInMemory(is bool) {
	switch kept := &o.cell.shard.host.bound.kept; {
	case is && !o.fresh.kept:
		kept.Add(1)
	case !is && o.fresh.kept:
		kept.Add(-1)
	}
	o.fresh.kept = is
}

// awaitStored waits until the newest state is stored, or returns why it will not be. flush has a
// write-behind key stored as well.
func (o *outlet) awaitStored(ctx context.Context, flush bool) error {
	mu := &o.cell.mailbox.mu
	mu.Lock()
	u := o.fresh
	if u == nil || !u.sending && !flush {
		undone := o.undone
		mu.Unlock()
		if undone != nil {
			return undone
		}
		return nil
	}
	g := newStay()
	u.wait(line{g})
	r := o.change()
	mu.Unlock()
	o.send(r)
	return g.stays(ctx)
}

// Unstored implements [turn.Durable].
func (o *outlet) Unstored() (wait func(context.Context) error) {
	mu := &o.cell.mailbox.mu
	mu.Lock()
	defer mu.Unlock()
	why, undos := o.undone, o.undos
	if why == nil && (o.state.Behind != 0 || o.fresh == nil) {
		return nil
	}
	return func(ctx context.Context) error {
		if why != nil {
			return why
		}
		if err := o.awaitStored(ctx, false); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if o.undos != undos {
			return lostAnswer("key %.64q: a turn was undone while one of its messages waited", o.cell.key)
		}
		return nil
	}
}

// Expire implements [expiry.Expirer]: the time of a write-behind key is up.
func (o *outlet) Expire() {
	mu := &o.cell.mailbox.mu
	mu.Lock()
	var r *state.Change
	if u := o.fresh; u != nil && u.dirty && !u.sending {
		r = o.begin()
	}
	mu.Unlock()
	o.send(r)
}
