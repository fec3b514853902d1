// The constructors and their options

package handlers

import (
	"fmt"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/transport"
)

// ActorFactory makes the actor of a key: a protoactor actor, or an entity of actor.Define.
// It runs on the key's own turn and may block. If it fails, all waiting callers get its
// error, with [outcome.ErrActivationFailed]. The key is tried again after 50 ms, and after
// each further failure the pause doubles, up to 5 s. A message that arrives in the pause
// gets the same error, with a hint when to try again.
type ActorFactory func(key string) (actor.Actor, error)

// Options configures what a handler hosts. The zero value is ready to use.
type Options struct {
	// CacheSize is how many keys stay active. Beyond that number the least recently used
	// key that is neither busy nor has mail is passivated. A key that owes a later answer
	// is busy too, until the call's time is up. Choose more than the keys that are in use
	// at once, because a key that was evicted and comes back costs an activation. The node
	// warns if many keys come back, and counts them (returned_keys_total). 0 = the entity's
	// definition, or the default (1,024); -1 = unlimited.
	CacheSize int
	// MailboxSize is how many messages may wait for one key; more are refused
	// with [outcome.ErrOverloaded]. 0 = the entity's definition, or the default (1,024);
	// -1 = unlimited.
	MailboxSize int
	// IdleAfter passivates a key that got no message for that long, and at most
	// an eighth longer. 0 = the entity's definition, or never.
	IdleAfter time.Duration
	// HookTimeout bounds each turn that no message causes: making the actor, activating,
	// passivating, a call of Every. At the limit the hook's context ends, and messages that
	// wait for the key are refused. A hook that goes on regardless cannot be ended. Until
	// it returns, its key refuses messages at once with [outcome.ErrOverloaded], and the
	// hook keeps its place among the running handlers. 0 = the entity's definition, or the
	// default (30 s); -1 = none.
	HookTimeout time.Duration
	// Around is a func around each message, inside that of the node; [Chain] makes one of
	// several. It may be nil.
	Around Around
	// Durable has the state of protoactor actors stored, which must be [actor.Stateful]. Mail
	// by process id that they send is not held back. An entity of actor.Define says by its own
	// option, [actor.Durable], how its state is stored. If you give the handler to
	// clstr.Open, set Durable as well, so that Open opens the store of state. A handler func has no state. nil = not stored.
	Durable *actor.Persistence
}

// validate panics on an option out of range, for the constructor of that name.
func (o Options) validate(of string) {
	switch {
	case o.CacheSize < -1:
		panic(fmt.Sprintf("clstr: %s: CacheSize %d: -1 (unlimited), 0 (default) or more", of, o.CacheSize))
	case o.MailboxSize < -1:
		panic(fmt.Sprintf("clstr: %s: MailboxSize %d: -1 (unlimited), 0 (default) or more", of, o.MailboxSize))
	case o.IdleAfter < 0:
		panic(fmt.Sprintf("clstr: %s: IdleAfter %v: 0 (never) or a duration", of, o.IdleAfter))
	case o.HookTimeout < -1:
		panic(fmt.Sprintf("clstr: %s: HookTimeout %v: -1 (none), 0 (default) or a duration", of, o.HookTimeout))
	case o.Durable != nil:
		(*persist.Options)(o.Durable).Validate(of)
	}
}

// NewActorHandler hosts an actor per key: entities of actor.Define, and
// protoactor actors as they are. It panics if the factory is nil.
func NewActorHandler(factory ActorFactory) transport.HandlerFunc {
	return NewActorHandlerWithOpts(factory, Options{})
}

// NewActorHandlerWithOpts is NewActorHandler with options. It panics on an
// option out of range.
func NewActorHandlerWithOpts(factory ActorFactory, opts Options) transport.HandlerFunc {
	if factory == nil {
		panic("clstr: NewActorHandler: the factory is nil")
	}
	return newKeyed("NewActorHandlerWithOpts", factory, nil, opts)
}

// NewKeyHandler hosts a handler func per key. createFunc makes the func on the key's first
// message. The func is called for one message at a time. It panics if createFunc is nil.
func NewKeyHandler(createFunc func(key string) (transport.HandlerFunc, error)) transport.HandlerFunc {
	return NewKeyHandlerWithOpts(createFunc, 0)
}

// NewKeyHandlerWithOpts is NewKeyHandler for another number of active keys.
// 0 = default (1,024), -1 = unlimited.
func NewKeyHandlerWithOpts(createFunc func(key string) (transport.HandlerFunc, error), cacheSize int) transport.HandlerFunc {
	if createFunc == nil {
		panic("clstr: NewKeyHandler: the create func is nil")
	}
	return newKeyed("NewKeyHandlerWithOpts", hosting.Funcs(createFunc), nil, Options{CacheSize: cacheSize})
}

// ScopedOptions configures [NewScopedHandler].
type ScopedOptions struct {
	// Extract finds the key in an envelope; it must not block. Its error is the
	// caller's. Required.
	Extract func(env transport.Envelope) (key string, err error)
	// Create makes the handler func of a key. Required.
	Create func(key string) (transport.HandlerFunc, error)
	// CacheSize limits the number of active keys.
	// 0 = default (1024), -1 = unlimited.
	CacheSize int
	// MailboxSize, IdleAfter, HookTimeout and Around are as in [Options].
	MailboxSize int
	IdleAfter   time.Duration
	HookTimeout time.Duration
	Around      Around
}

// NewScopedHandler is NewKeyHandler for keys that are found in the envelope
// rather than given by the client. It panics if Extract or Create is nil.
func NewScopedHandler(opts ScopedOptions) transport.HandlerFunc {
	if opts.Extract == nil || opts.Create == nil {
		panic("clstr: NewScopedHandler: Extract and Create are required")
	}
	return newKeyed("NewScopedHandler", hosting.Funcs(opts.Create), opts.Extract, Options{
		CacheSize:   opts.CacheSize,
		MailboxSize: opts.MailboxSize,
		IdleAfter:   opts.IdleAfter,
		HookTimeout: opts.HookTimeout,
		Around:      opts.Around,
	})
}

func newKeyed(of string, factory ActorFactory, extract func(transport.Envelope) (string, error), opts Options) transport.HandlerFunc {
	opts.validate(of)
	return hosting.Handler(host.Options{
		Factory:     factory,
		Persist:     (*persist.Options)(opts.Durable),
		CacheSize:   opts.CacheSize,
		MailboxSize: opts.MailboxSize,
		IdleAfter:   opts.IdleAfter,
		HookTimeout: opts.HookTimeout,
		Unknown:     func(m host.Message) any { of := actor.Message(m); return &of },
		Draining:    &actor.Draining{},
	}, extract, hosting.AroundOf(opts.Around, incoming))
}
