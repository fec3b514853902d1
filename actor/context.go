// Context, which an entity's method is given

package actor

import (
	"context"
	"log/slog"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
)

// Context is the argument of an entity's method. It has the message's context and metadata, and the
// entity's own identity. It is a context.Context. Pass it to calls of other entities:
// deadline and cancellation travel along, and the wait does not count as a running handler.
// The method may keep it, but it ends with the message.
type Context host.Context

var _ context.Context = (*Context)(nil)

// ContextOf returns the [Context] of a hosted protoactor actor, for the message or hook that the
// actor handles now. Pass it to calls of other entities. It is nil for
// mail by process id, and for an actor that does not belong to a key, such as a child. Call
// it while the actor handles the message.
func ContextOf(ctx pactor.Context) *Context { return (*Context)(host.ContextOf(ctx)) }

// in is the context as the host knows it.
func (c *Context) in() *host.Context { return (*host.Context)(c) }

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.in().Deadline() }

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.in().Done() }

// Err implements context.Context.
func (c *Context) Err() error { return c.in().Err() }

// Value implements context.Context.
func (c *Context) Value(key any) any { return c.in().Value(key) }

// Key returns the entity's key.
func (c *Context) Key() string { return c.in().Key() }

// Kind returns the entity's kind, empty for a handler without one.
func (c *Context) Kind() string { return c.in().Kind() }

// Shard returns the shard that the key belongs to.
func (c *Context) Shard() uint32 { return c.in().Shard() }

// Message returns the message. In OnActivate, OnPassivate and Every only its Key is set. Once the method
// has returned and the message was answered, Message may have only the Key.
func (c *Context) Message() Message { return Message(c.in().Message()) }

// Header returns a header of the message.
func (c *Context) Header(name string) (string, bool) { return c.in().Header(name) }

// Log returns the node's logger with the entity's identity. All that an entity logs is
// written. Only the library's own lines are limited to a few a second.
func (c *Context) Log() *slog.Logger { return c.in().Log() }

// Self returns the entity's process id in protoactor. It is valid for this incarnation and
// the next ones on the same node.
func (c *Context) Self() *PID { return c.in().Self() }

// Passivate stops the entity after this message, as if it had been idle. OnPassivate runs,
// and the next message makes a new entity.
func (c *Context) Passivate() { c.in().Passivate() }
