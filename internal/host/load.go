// How a durable key begins, from what is stored, and how it starts over

package host

import (
	"errors"
	"fmt"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/command"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// load gives a durable actor its state: the newest of a former incarnation that is on its way
// still, or what is stored. It does nothing for others.
func load(s *shell, h *hook) (err error) {
	opts, c := &s.shard.host.opts, s.cell
	is, err := persist.Of(s.inner, opts.Persist)
	if err == nil && is.Options == nil && c.mailbox.outlet != nil {
		return fmt.Errorf("an entity that the factory has made is not durable, and its key is: make all entities of a kind durable, or none")
	}
	if err != nil || is.Options == nil {
		return err
	}
	if opts.Keeper == nil {
		return fmt.Errorf("%w: the node was given no State (clstr.Open gives one if Durable is set in the handler's options)", outcome.ErrNoStore)
	}
	if err := state.CheckKey(opts.Kind, c.key); err != nil {
		return fmt.Errorf("a durable entity needs a kind, and a key that can be stored: %w", err)
	}
	b := &c.mailbox
	b.mu.Lock()
	if b.outlet == nil {
		b.outlet = &outlet{cell: c}
	}
	o := b.outlet
	o.state = is
	o.turn = nil
	o.begun++
	undone := o.undone
	o.ids.begins()
	var r *state.Record
	u := o.fresh
	if u != nil {
		r = &state.Record{Number: o.number, Version: is.Version, Type: is.Encoding(), Deleted: u.deleted, State: u.state}
	}
	b.mu.Unlock()
	if u == nil {
		if is.Behind != 0 && s.shard.host.bound.isFull() {
			return failure(outcome.ErrNotStored, "%d keys keep states that the store has refused, so no further write-behind key starts", s.shard.host.bound.kept.Load())
		}
		if r, err = read(s, h); err != nil {
			return err
		}
		b.mu.Lock()
		o.ids = idsOf(r, is.Options)
		b.mu.Unlock()
	}
	if r == nil {
		r = &state.Record{Deleted: true}
	}
	if o.gone = r.Deleted; !r.Deleted {
		if err := restore(c, is, r); err != nil {
			return isBad(c, err)
		}
	}
	sum, err := is.Now()
	if err != nil {
		return notStored(err)
	}
	b.mu.Lock()
	if o.sum = sum; u == nil {
		o.number = r.Number
	}
	if o.undone == undone { // otherwise a change was refused that this one begins with
		o.undone = nil
	}
	b.mu.Unlock()
	return nil
}

// restore gives the actor a stored state. A panic of its code is an error of this record.
func restore(c *cell, is persist.State, r *state.Record) (err error) {
	defer func() {
		if value := recover(); value != nil {
			c.logPanic("reading the stored state", value)
			err = errPanic
		}
	}()
	return legible(is.Restore(r))
}

// read returns what the store has of the key; nil if it has nothing.
func read(s *shell, h *hook) (*state.Record, error) {
	c := s.cell
	var es []state.Entry
	var err error
	h.Wait(func() {
		es, _, err = s.shard.host.opts.Keeper.Read(h, s.shard.id,
			state.Range{Place: state.Records, Shard: s.shard.id, Kind: s.shard.host.opts.Kind, Key: c.key, Most: 1})
	})
	switch {
	case errors.Is(err, state.ErrDeposed):
		h.endContext(true) // as where the lease has ended
		return nil, err
	case errors.Is(err, state.ErrUnreadable):
		return nil, isBad(c, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %v", outcome.ErrNoStore, err)
	case len(es) == 0:
		return nil, nil
	case es[0].Err != nil:
		return nil, isBad(c, es[0].Err)
	}
	if err := command.Check(es[0].Record.Commands); err != nil {
		return nil, isBad(c, err)
	}
	return es[0].Record, nil
}

// badState is the error of an activation that could not read the key's record. It is told from an application's error
// by its type.
type badState struct {
	what  string
	cause error
}

func (b *badState) Error() string {
	return fmt.Sprintf("%v: %s: %v", outcome.ErrBadState, b.what, b.cause)
}

func isBad(c *cell, cause error) error {
	return &badState{fmt.Sprintf("record of %s %.64q in shard %d", c.shard.host.opts.Kind, c.key, c.shard.id), cause}
}

// startOver makes the incarnation anew from the stored state, unless it begins or ends. It
// returns true if the cell must be handed to the pool. It is called with mu held.
func startOver(b *mailbox, begins bool) bool {
	if begins || b.invoker == nil || b.state.life != live {
		return false
	}
	b.system = append(b.system, &pactor.SuspendMailbox{}, &pactor.Restart{})
	return b.schedule()
}

// leaveDeleted ends an incarnation whose state was deleted, after its turn. If the incarnation may not
// end yet, or begins and has messages to handle, leaveDeleted makes it anew. It returns what startOver
// does. It is called with mu held.
func leaveDeleted(b *mailbox, begins bool) bool {
	if begins || b.state.end == woken {
		return startOver(b, false)
	}
	b.to(evLeave)
	return false
}
