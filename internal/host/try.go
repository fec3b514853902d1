// One try of a message with an ID, on its key's turn

package host

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/command"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// runs reports whether a message is to be handled. One with an ID may have been carried out
// before, or be refused: then it is answered here, or will be together with the first.
func (t handling) runs(x *Context, g *gated) bool {
	m := x.call.Message()
	switch {
	case m.ID == "":
		return true
	case g != nil:
		return try{g.cell.mailbox.outlet, x, g, command.Of(m.ID, m.Type, m.Codec, x.call.Data())}.isFirst()
	case t.c.shard.host.opts.TakesIDs:
		return true
	}
	x.call.Fail(outcome.Errorf(outcome.ErrNotDurable, "only durable entities know again which IDs they have carried out"))
	return false
}

// try is one try of a command, on its key's turn.
type try struct {
	o *outlet
	x *Context
	g *gated
	command.Command
}

// isFirst reports whether the command is to be carried out now.
func (t try) isFirst() bool {
	o, x, g, c := t.o, t.x, t.g, t.Command
	mu := &o.cell.mailbox.mu
	age := x.call.Age()
	for {
		now := time.Now()
		mu.Lock()
		if o.ids == nil {
			o.ids = &ids{Known: command.New(o.state.IDWindow())}
		}
		is := o.ids
		open := is.open[c.ID]
		v, reply := is.Find(c, now)
		room, full := is.Room(now), is.Full() && o.fresh != nil
		begins := false
		g.firm = true
		switch {
		case open != nil && open.first.Sum == c.Sum:
			open.first.joined = append(open.first.joined, g)
		case open != nil:
			v = command.Reused
		case v == command.Fresh && age <= o.state.IDWindow() && room == 0 && !full:
			begins = true
			g.first = &firstCall{Command: c}
			if is.open == nil {
				is.open = map[[16]byte]*gated{}
			}
			is.open[c.ID] = g
		}
		mu.Unlock()
		var err *outcome.Error
		switch {
		case begins:
			return true
		case v == command.Reused:
			x.call.Fail(outcome.Errorf(outcome.ErrIDReused, "key %.64q knows ID %.64q from another message", o.cell.key, x.call.Message().ID))
			return false
		case open != nil:
			x.call.NoEffect(true) // the next owner knows what has become of the first
			return false
		case v == command.Done:
			x.call.ReplyOwned(slices.Clone(reply))
			return false
		case v == command.Begun:
			x.call.Fail(notEnded(o.cell))
			return false
		case v == command.Unread:
			var es []state.Entry
			if es, err = t.spilled(); err == nil {
				mu.Lock()
				is.Read(es, time.Now())
				mu.Unlock()
			}
		case v == command.Spilled:
			var es []state.Entry
			if es, err = t.spilled(); err == nil {
				switch is, known := c.In(es); {
				case !known:
					x.call.Fail(outcome.Errorf(outcome.ErrEnvelopeExpired, "the message was carried out, and its reply is not kept any more").WithOutcome(outcome.MaybeRan))
				case is.Begun:
					x.call.Fail(notEnded(o.cell))
				default:
					x.call.ReplyOwned(is.Reply)
				}
				return false
			}
		case age > o.state.IDWindow():
			x.call.Fail(outcome.Errorf(outcome.ErrEnvelopeExpired, "the first try was %v ago, and key %.64q knows an ID for %v", age.Round(time.Second), o.cell.key, o.state.IDWindow()))
			return false
		case room > 0:
			x.call.Fail(outcome.Overloaded(room, "key %.64q cannot keep more IDs for now", o.cell.key))
			return false
		default: // one change takes no more of them
			var why error
			x.call.Wait(func() { why = t.awaitChange() })
			switch e, ours := why.(*outcome.Error); {
			case isKept(why):
				mu.Lock()
				g.firm = false // what it would wait for was just refused
				mu.Unlock()
				err = outcome.Overloaded(retryFull, "key %.64q cannot keep more IDs: the store refuses them", o.cell.key)
			case ours:
				err = e
			case why != nil: // the call has ended
				err = outcome.HandlerError(why)
			}
		}
		if err != nil {
			x.call.Fail(err)
			return false
		}
	}
}

// notEnded refuses a message if an earlier try of it has stored a part of what it does, and no reply.
func notEnded(c *cell) *outcome.Error {
	return outcome.Errorf(outcome.ErrBegun, "key %.64q has stored a part of what an earlier try of the message did, and that try has given no reply: look at the key's state", c.key)
}

// retryFull is what a refusal suggests while the store is full.
const retryFull = time.Second

// awaitChange waits until the change that is on its way has ended: the next one then goes out.
func (t try) awaitChange() error {
	o := t.o
	mu := &o.cell.mailbox.mu
	mu.Lock()
	switch {
	case o.fresh == nil:
		mu.Unlock()
		return nil
	case !o.fresh.sending: // a write-behind key's, which the store has refused
		mu.Unlock()
		return o.awaitStored(t.x, true)
	}
	g := newStay()
	o.fresh.sent = append(o.fresh.sent, g)
	mu.Unlock()
	return g.stays(t.x)
}

// unreadIDs refuses a message if its key cannot find out whether it has run before.
func unreadIDs(c *cell, err error) *outcome.Error {
	switch {
	case errors.Is(err, state.ErrDeposed):
		return notOwned(c.key)
	case errors.Is(err, state.ErrUnreadable):
		return failure(outcome.ErrBadState, "IDs of %s %.64q in shard %d: %v", c.shard.host.opts.Kind, c.key, c.shard.id, err).WithCause(err)
	}
	e := failure(outcome.ErrActivationFailed, "the key's IDs: %v: %v", outcome.ErrNoStore, err).WithCause(outcome.ErrNoStore)
	e.RetryAfter = firstBackoff
	return e
}

// spilled reads what the store has beside the key's record.
func (t try) spilled() (all []state.Entry, why *outcome.Error) {
	s, x := t.o.cell.shard, t.x
	r := state.Range{Place: state.Spilled, Shard: s.id, Kind: s.host.opts.Kind, Key: t.o.cell.key}
	var err error
	x.call.Wait(func() {
		for more := true; more && err == nil; {
			var es []state.Entry
			if es, more, err = s.host.opts.Keeper.Read(context.WithoutCancel(x), s.id, r); len(es) > 0 {
				all, r.After = append(all, es...), es[len(es)-1].Rev
			} else {
				more = false
			}
		}
	})
	for _, e := range all {
		if err == nil {
			err = cmp.Or(e.Err, command.Check(e.Commands))
		}
	}
	if err != nil {
		return nil, unreadIDs(t.o.cell, err)
	}
	return all, nil
}
