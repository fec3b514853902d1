// Context, which is behind that of package actor

package host

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/turn"
)

type (
	// Turn is one run of a key's code, a message's or a hook's, that waits for a call,
	// with those that wait for it in turn.
	Turn = turn.Turn
	// Place is where a message stands in line.
	Place = turn.Place
)

// Context is a message, or a hook, on its key: what actor.Context is to users.
type Context struct {
	gate      // the first field: see turn.OwnGate
	stop bool // a stop hook has sent it; beside the gate, which leaves room
	done bool // it is a notification whose handler has returned without an error: end answers it
	call Call
	cell *cell
	past Past // when the gate is shut
}

// gate is named so that the field is not exported.
type gate = turn.Gate

var _ context.Context = (*Context)(nil)

// end is called when the turn is over.
func (c *Context) end() {
	if c.done {
		c.past = c.call.Past()
		shut := turn.Shut(&c.gate)
		if shut && c.call.EndAlone() {
			return
		}
		c.call.Reply(nil, nil)
		if shut && c.call.Spent() != nil {
			c.call.EndLast()
			return
		}
		c.call.End()
		return
	}
	if c.past = c.call.Spent(); c.past != nil && turn.Shut(&c.gate) {
		c.call.EndLast()
		return
	}
	c.call.End()
}

// ContextOf returns the context of the message or hook that a hosted protoactor actor
// handles now. It is nil if there is none, or if the actor does not belong to a key.
func ContextOf(ctx pactor.Context) *Context {
	s, ok := ctx.Actor().(*shell)
	if !ok || s.cell == nil {
		return nil
	}
	if s.turn != nil {
		return s.turn
	}
	s.cell.mailbox.mu.Lock()
	defer s.cell.mailbox.mu.Unlock()
	return s.cell.mailbox.now
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	if !turn.Enter(&c.gate) {
		return time.Time{}, false
	}
	defer turn.Leave(&c.gate)
	return c.call.Deadline()
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	if !turn.Enter(&c.gate) {
		return c.past.Ended().Done()
	}
	defer turn.Leave(&c.gate)
	return c.call.Done()
}

// Err implements context.Context.
func (c *Context) Err() error {
	if !turn.Enter(&c.gate) {
		return context.Canceled
	}
	defer turn.Leave(&c.gate)
	return c.call.Err()
}

// Value implements context.Context.
func (c *Context) Value(key any) any {
	switch key.(type) {
	case turn.InsideKey:
		return true
	case turn.GateKey:
		return &c.gate
	case turn.LentKey: // the gate was entered
		return c.call.Value(key)
	case turn.DurableKey:
		if o := c.cell.mailbox.outlet; o != nil {
			return o
		}
	}
	if !turn.Enter(&c.gate) {
		return c.past.Ended().Value(key)
	}
	defer turn.Leave(&c.gate)
	return c.call.Value(key)
}

// OnTurn returns the message's way back, for an [Entity], until its Handle has returned: what [Define] makes
// answers with what its methods return.
func (c *Context) OnTurn() Call { return c.call }

// Call is OnTurn for code that may keep the call.
func (c *Context) Call() Call {
	if !turn.Enter(&c.gate) {
		return c.past.Ended()
	}
	return c.call // it never leaves
}

// Key returns the entity's key.
func (c *Context) Key() string { return c.cell.key }

// Kind returns the entity's kind, empty for a handler without one.
func (c *Context) Kind() string { return c.cell.shard.host.opts.Kind }

// Shard returns the shard that the key belongs to.
func (c *Context) Shard() uint32 { return c.cell.shard.id }

// Message returns the message. In OnActivate, OnPassivate and Every, and once the turn is over and the message was
// answered, only its Key may be set.
func (c *Context) Message() Message {
	if !turn.Enter(&c.gate) {
		return Message{Key: c.cell.key}
	}
	defer turn.Leave(&c.gate)
	m := c.call.Message()
	m.Key, m.Data = c.cell.key, c.call.Data()
	m.Headers = maps.Clone(m.Headers) // the entity's to change; the call's own are read beside it
	return m
}

// Header returns a header of the message.
func (c *Context) Header(name string) (string, bool) {
	if !turn.Enter(&c.gate) {
		return "", false
	}
	defer turn.Leave(&c.gate)
	v, ok := c.call.Message().Headers[name]
	return v, ok
}

// Log returns the node's logger with the entity's identity. Everything that an entity logs is
// written: only the library's own lines are bounded.
func (c *Context) Log() *slog.Logger { return sparse.Raw(c.cell.log()) }

// Self returns the actor's process id, to which protoactor actors of the same
// node can send; it is valid for this incarnation and the next ones.
func (c *Context) Self() *PID { return c.cell.self() }

// Passivate stops the entity after this message, as if it had been idle: its
// OnPassivate runs, and the next message makes a new one.
func (c *Context) Passivate() {
	c.cell.mailbox.mu.Lock()
	defer c.cell.mailbox.mu.Unlock()
	c.cell.mailbox.to(evLeave)
}

// abandoned reports whether the sender does not wait any more. Start answers a call whose
// time is up.
func (c *Context) abandoned() bool { return c.call.Err() != nil && !c.call.Start(nil) }

// Save stores the state as it is now, and waits for that. An error of the turn then undoes only
// what comes after.
func (c *Context) Save() error {
	b := &c.cell.mailbox
	b.mu.Lock()
	o := b.outlet
	switch {
	case o == nil:
		b.mu.Unlock()
		return fmt.Errorf("Save: %w", errNotDurable)
	case b.now != c || o.turn == nil:
		b.mu.Unlock()
		return fmt.Errorf("Save: %w", errNoTurn)
	}
	of, old := o.state, o.sum
	b.mu.Unlock()
	data, is, err := of.After(old, true)
	if err != nil {
		return notStored(err)
	}
	b.mu.Lock()
	if b.now != c || o.turn == nil { // it has ended meanwhile, beside a goroutine of its method
		b.mu.Unlock()
		return fmt.Errorf("Save: %w", errNoTurn)
	}
	if is != o.sum && o.undone == nil {
		o.sum, o.gone = is, false
		o.keep(data, false)
		o.fresh.begins = o.fresh.begins || o.turn.begins
		if own := o.turn.own; own != nil {
			own.changed = true
			o.ids.begin(own)
		}
		for _, g := range o.turn.given { // what they do may be in this part of the turn
			o.ids.begin(g)
		}
	}
	turn.Enter(&c.gate) // which is open while the turn runs
	defer turn.Leave(&c.gate)
	b.mu.Unlock()
	c.call.Wait(func() { err = o.awaitStored(c, true) })
	return err
}

// Delete has the key forgotten when the turn ends without an error. The incarnation ends without
// its stop hook.
func (c *Context) Delete() error {
	b := &c.cell.mailbox
	b.mu.Lock()
	defer b.mu.Unlock()
	switch o := b.outlet; {
	case o == nil:
		return fmt.Errorf("Delete: %w", errNotDurable)
	case b.now != c || o.turn == nil:
		return fmt.Errorf("Delete: %w", errNoTurn)
	default:
		o.turn.delete = true
	}
	return nil
}

// Query says that the turn does not change the state.
func (c *Context) Query() { c.cell.mailbox.outlet.marks(func(t *leaving) { t.query = true }) }
