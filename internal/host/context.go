// Context, which is behind that of package actor; Call, the way back to a sender

package host

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/pool"
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

// Call is the way back to the sender of a message, and the message's context:
// it ends at the sender's deadline or cancellation, or when it was answered.
type Call interface {
	context.Context
	// Message returns the message, but for its Data: that is made when it is asked for. Its Key is not used: the
	// host has been given one.
	Message() Message
	// Data returns the message's bytes.
	Data() []byte
	// Plain returns the message as a value of the type; nil if it has come in another form.
	Plain(of *plain.Type) *plain.Value
	// Start is called before the message is handled. False means that the sender does not
	// wait any more: skip the message, and do not call End. It is false if Err is not nil.
	Start(pool.Slot) bool
	// Reply answers with what the handler returned; it copies data if it must.
	Reply(data []byte, err error)
	// ReplyOwned is Reply for a slice that the handler gives away.
	ReplyOwned(data []byte)
	// Wants reports whether the sender takes a reply that is a value of the type.
	Wants(of *plain.Type) bool
	// ReplyValue is Reply for a value that the sender wants.
	ReplyValue(plain.Value)
	// Fail answers with one of this package's errors, as it is or as a [*Failure].
	// An error that only wraps one of them counts as an error of the application.
	Fail(err error)
	// Coded turns an application's error into one that Fail takes as it is. It runs the error's
	// own code.
	Coded(err error) error
	// Wait calls f, which waits, and gives the handler's place among the running handlers to
	// another meanwhile.
	Wait(f func())
	// Age is how long ago the first try of a message with an ID was.
	Age() time.Duration
	// Panicked answers for a handler that has panicked with the given value,
	// while its stack is still there.
	Panicked(value any)
	// AfterAnswer calls f once the call was answered, at once if it was. Each f is called, in
	// the order in which they came.
	AfterAnswer(f func())
	// OnDrain calls tell once if the call is still open when the shard begins to drain, or the node
	// to end. If that has begun already, it calls tell at once. tell must not block.
	OnDrain(tell func())
	// Given says that an answer which was left open is there, and leaves later by itself: a
	// drain waits for it.
	Given()
	// NoEffect declares that the call has had no effect at the actor so far, or takes that back. A
	// call without effect may go back to its sender. NoEffect returns false if the call has ended.
	NoEffect(none bool) bool
	// HandBack gives back a request that has had no effect, so that its sender asks the next
	// owner. For any other call it does nothing and returns false.
	HandBack() bool
	// AwaitsReply is false for a notification.
	AwaitsReply() bool
	// Waiting returns the turns that wait for the answer, the nearest first; nil if
	// none does.
	Waiting() *Turn
	// StopHook returns the role of the stop hook that waits for the call, or has sent it;
	// [turn.Key] if there is none, [turn.Stop] if the hook's shard does not end yet.
	StopHook() turn.Role
	// Turn returns the turn of the handler that runs; nil while that has asked nothing.
	Turn() *Turn
	// Queued says where the message stands in line, behind the turn that runs there, until the
	// message starts or is answered.
	Queued(Place)
	// End is called when the handler has returned.
	End()
}

// Message is what travels to a key.
type Message struct {
	Type    string
	Key     string
	Data    []byte
	Headers map[string]string
	ID      string // of the command that it is; empty for none
	Codec   string // of Data and the reply, unless they are protobuf messages; empty for JSON
}

// Context is a message, or a hook, on its key: what actor.Context is to users.
type Context struct {
	call Call
	cell *cell
	stop bool        // a stop hook has sent it
	gone atomic.Bool // code of the message, its reply or its error has ended its goroutine
}

var _ context.Context = (*Context)(nil)

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
func (c *Context) Deadline() (time.Time, bool) { return c.call.Deadline() }

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.call.Done() }

// Err implements context.Context.
func (c *Context) Err() error { return c.call.Err() }

// Value implements context.Context.
func (c *Context) Value(key any) any {
	if _, ok := key.(turn.DurableKey); ok && c.cell.mailbox.outlet != nil {
		return c.cell.mailbox.outlet
	}
	return c.call.Value(key)
}

// Call returns the message's way back, for an [Entity]: what [Define] makes
// answers with what its methods return.
func (c *Context) Call() Call { return c.call }

// Key returns the entity's key.
func (c *Context) Key() string { return c.cell.key }

// Kind returns the entity's kind, empty for a handler without one.
func (c *Context) Kind() string { return c.cell.shard.host.opts.Kind }

// Shard returns the shard that the key belongs to.
func (c *Context) Shard() uint32 { return c.cell.shard.id }

// Message returns the message; in OnActivate, OnPassivate and Every only its Key
// is set.
func (c *Context) Message() Message {
	m := c.call.Message()
	m.Key, m.Data = c.cell.key, c.call.Data()
	m.Headers = maps.Clone(m.Headers) // the entity's to change; the call's own are read beside it
	return m
}

// Header returns a header of the message.
func (c *Context) Header(name string) (string, bool) {
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
	s, _ := actorOf(b.invoker).(*shell)
	switch {
	case o == nil:
		b.mu.Unlock()
		return fmt.Errorf("Save: %w", ErrNotDurable)
	case b.now != c || o.turn == nil:
		b.mu.Unlock()
		return fmt.Errorf("Save: %w", ErrNoTurn)
	}
	b.mu.Unlock()
	data, is, err := s.stored.after(o.sum)
	if err != nil {
		return notStored(err)
	}
	b.mu.Lock()
	if b.now != c || o.turn == nil { // it has ended meanwhile, beside a goroutine of its method
		b.mu.Unlock()
		return fmt.Errorf("Save: %w", ErrNoTurn)
	}
	if is != o.sum && o.undone == nil {
		o.sum, s.stored.gone = is, false
		o.keep(data, false)
		o.fresh.begins = o.fresh.begins || o.turn.begins
		if own := o.turn.own; own != nil {
			own.changed = true
			o.ids.begin(own)
		}
		for g := o.turn.given.first; g != nil; g = g.next { // what they do may be in this part of the turn
			o.ids.begin(g)
		}
	}
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
		return fmt.Errorf("Delete: %w", ErrNotDurable)
	case b.now != c || o.turn == nil:
		return fmt.Errorf("Delete: %w", ErrNoTurn)
	default:
		o.turn.delete = true
	}
	return nil
}

// Query says that the turn does not change the state.
func (c *Context) Query() { c.cell.mailbox.outlet.marks(func(t *leaving) { t.query = true }) }
