// Define: entities as plain structs

package actor

import (
	"fmt"
	"reflect"
	"time"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/internal/plain"
)

// Definition is an entity written as a plain struct with methods. Make one with
// [Define], once, and give its New to handlers.NewActorHandler.
type Definition[E any] struct {
	kind  string
	make  func(key string) *E
	table table
}

// table is what the options of a definition fill.
type table struct {
	entity      reflect.Type
	handlers    map[string]func(e any, c *host.Context)
	activate    hook
	passivate   hook
	drain       hook
	periodic    []periodic
	cacheSize   int
	mailboxSize int
	idleAfter   time.Duration
	hookTimeout time.Duration
	persist     *persist.Options
}

type (
	// hook is a method that no message causes.
	hook func(e any, c *host.Context) error
	// periodic is a hook that is called at intervals.
	periodic struct {
		period time.Duration
		method hook
	}
)

// hookOf returns a method as a hook.
func hookOf[E any](method func(*E, *Context) error) hook {
	return func(e any, c *host.Context) error { return method(e.(*E), (*Context)(c)) }
}

// Option is a part of a definition.
type Option func(*table)

// Define defines the entities of a kind, structs of type E: how they are made, and, by options, what they
// handle. make must not block: load state in OnActivate. Define panics if the definition cannot work: two methods for
// one message type (OnRequest and OnNotify together, too), a method of another struct, a period that is not positive,
// or a message or reply type that loses a part of itself as JSON (an embedded time.Time, unexported fields only).
func Define[E any](kind string, make func(key string) *E, options ...Option) *Definition[E] {
	d := &Definition[E]{kind: kind, make: make}
	d.table.entity = reflect.TypeFor[*E]()
	d.table.handlers = map[string]func(any, *host.Context){}
	for _, o := range options {
		o(&d.table)
	}
	return d
}

// Kind returns the kind's name.
func (d *Definition[E]) Kind() string { return d.kind }

// Durable reports whether the entity's state is stored, by the option [Durable].
func (d *Definition[E]) Durable() bool { return d.table.persist != nil }

// New makes the actor of a key: the factory for handlers.NewActorHandler.
func (d *Definition[E]) New(key string) (Actor, error) {
	e := d.make(key)
	if e == nil {
		return nil, fmt.Errorf("kind %q made no entity", d.kind)
	}
	return instance{table: &d.table, entity: e}, nil
}

// OnRequest lets the entity answer requests of type In with a method. The method's error
// reaches the caller. Register the error with a code, and it keeps its identity there.
// A notification of type In runs the method too, and its reply is dropped.
func OnRequest[E, In, Out any](method func(*E, *Context, In) (Out, error)) Option {
	return func(t *table) {
		mustTravel[Out]()
		asIs := codec.Plain(reflect.TypeFor[Out]())
		on(t, reflect.TypeFor[Out](), func(e *E, c *host.Context, in In) {
			out, err := method(e, (*Context)(c), in)
			if err != nil {
				c.Fail(err)
				return
			}
			respond(c, c.OnTurn(), asIs, out)
		})
	}
}

// OnNotify lets the entity handle notifications of type In with a method. The sender is
// not told if the method fails. The node logs the error, a few lines a second at most, and
// counts it.
func OnNotify[E, In any](method func(*E, *Context, In) error) Option {
	return func(t *table) {
		on(t, nil, func(e *E, c *host.Context, in In) {
			if err := method(e, (*Context)(c), in); err != nil || !c.Handled() {
				c.Fail(err)
			}
		})
	}
}

// OnActivate calls a method before the entity's first message. If the method fails, the
// callers of all waiting messages get its error, and none of the messages has run. The key
// is tried again after 50 ms, and after each further failure the pause doubles, up to 5 s.
// Messages that arrive in the pause are refused with the same error and a hint when to try
// again. [HookTimeout] bounds the method.
func OnActivate[E any](method func(*E, *Context) error) Option {
	return func(t *table) {
		t.must(reflect.TypeFor[*E](), t.activate == nil, "OnActivate")
		t.activate = hookOf(method)
	}
}

// OnPassivate calls a method after the entity's last message, and before the key's next
// incarnation starts. Its error is logged. [HookTimeout] bounds the method.
//
// The method may ask other keys, even of shards that end at the same time, if it asks with
// its own context or one made from it. A shard that ends refuses a request with another
// context, such as context.Background().
//
// The method is not called if the entity has panicked, because its state is in doubt, or if the
// store has refused a change of a [Durable] entity. It is not called either if another node may own the key by then: the node's lease has ended, or
// the move has taken too long. A log line says how many such keys there were, and why. If
// the lease ends while the method runs, the method's context ends.
func OnPassivate[E any](method func(*E, *Context) error) Option {
	return func(t *table) {
		t.must(reflect.TypeFor[*E](), t.passivate == nil, "OnPassivate")
		t.passivate = hookOf(method)
	}
}

// Every calls a method on the entity's turn while the entity is active, each time the
// period has passed since the method last returned. The method's error is logged. An entity is
// passivated even if it has Every. [HookTimeout] bounds each call.
func Every[E any](period time.Duration, method func(*E, *Context) error) Option {
	return func(t *table) {
		t.must(reflect.TypeFor[*E](), true, "Every")
		if period <= 0 {
			panic(fmt.Sprintf("clstr: Every: the period must be positive, not %v", period))
		}
		t.periodic = append(t.periodic, periodic{period, hookOf(method)})
	}
}

// CacheSize bounds how many of the entities are active on a node. Beyond that number the node
// passivates the one that was least recently used and is not busy. Choose more than the keys that are
// in use at once on a node, because a key that comes back costs an activation. The default is 1,024, and -1 is
// unlimited. A handler's option of this name (handlers.Options) wins over the definition's.
func CacheSize(keys int) Option {
	mustBound("CacheSize", keys)
	return func(t *table) { t.cacheSize = keys }
}

// MailboxSize bounds how many messages may wait for one entity. More are refused with
// [outcome.ErrOverloaded]. The default is 1,024, and -1 is unlimited. A handler's option of this name
// (handlers.Options) wins over the definition's. A node learns the definition's bound when it makes its first
// entity of the kind: messages that arrive before that meet the default.
func MailboxSize(messages int) Option {
	mustBound("MailboxSize", messages)
	return func(t *table) { t.mailboxSize = messages }
}

// mustBound refuses 0, too: a definition without the option has the default.
func mustBound(option string, n int) {
	if n < 1 && n != -1 {
		panic(fmt.Sprintf("clstr: %s %d: -1 (unlimited), or 1 and more", option, n))
	}
}

// PassivateAfter passivates an entity that has had no message for that time. It may take an
// eighth longer. A handler's option IdleAfter (handlers.Options) wins over the definition's.
func PassivateAfter(idle time.Duration) Option {
	return func(t *table) {
		if idle <= 0 {
			panic(fmt.Sprintf("clstr: PassivateAfter: the time must be positive, not %v", idle))
		}
		t.idleAfter = idle
	}
}

// HookTimeout bounds OnActivate, OnPassivate and each call of Every. At the limit the
// hook's context ends, and messages that wait for the entity are refused. If the hook goes
// on, its key refuses messages until it returns. The default is 30 s, and -1 is unlimited. A
// handler's option of this name (handlers.Options) wins over the definition's.
func HookTimeout(limit time.Duration) Option {
	return func(t *table) {
		if limit <= 0 && limit != -1 {
			panic(fmt.Sprintf("clstr: HookTimeout %v: -1 (unlimited) or a duration", limit))
		}
		t.hookTimeout = limit
	}
}

// OnDrain calls a method on the entity's turn when its shard begins to move, or its node to
// end, while the entity owes answers ([OnRequestLater]). On that turn the entity may still
// give those answers. A request that was declared with [Answer.NoEffect], and is still open
// after the turn, goes back, and its caller asks the next owner. Any other answer has half
// a second. Then its caller is told that the request may have run. The method is called
// again if the entity leaves another request open while it drains. Its error is logged.
func OnDrain[E any](method func(*E, *Context) error) Option {
	return func(t *table) {
		t.must(reflect.TypeFor[*E](), t.drain == nil, "OnDrain")
		t.drain = hookOf(method)
	}
}

// on is called with the type of the reply, nil for none.
func on[E, In any](t *table, reply reflect.Type, handle func(*E, *host.Context, In)) {
	of := reflect.TypeFor[In]()
	name, err := codec.NameOf(of)
	if err != nil {
		panic("clstr: Define: " + err.Error())
	}
	t.must(reflect.TypeFor[*E](), t.handlers[name] == nil, "message type "+name)
	asIs, lends := codec.Plain(of), codec.KeepsNothing(of)
	t.handlers[name] = func(e any, c *host.Context) {
		if v := c.OnTurn().Plain(asIs); v != nil {
			handle(e.(*E), c, plain.Out[In](v))
			return
		}
		var in In
		if c.Decode(of, func() (err error) {
			as := c.OnTurn().Message().Codec
			if as != codec.JSON && reply != nil {
				err = codec.CheckAs(as, reply) // now, before the method runs: Define has checked it for JSON
			}
			if err == nil {
				in, err = codec.UnmarshalAs[In](as, host.BytesOf(c.OnTurn(), lends))
			}
			return err
		}) {
			handle(e.(*E), c, in)
		}
	}
}

// respond is [host.Context.Respond] for a reply whose type the compiler knows, so that it need not become an interface.
// asIs is what is known of the type, nil if it is always encoded.
func respond[Out any](c *host.Context, call host.Call, asIs *plain.Type, out Out) {
	if call.Wants(asIs) {
		if v, ok := plain.Copy(asIs, plain.Reply, out); ok {
			call.ReplyValue(v)
			return
		}
	}
	c.Respond(out)
}

// mustTravel refuses a type of replies that would lose a part of itself on the way.
func mustTravel[Out any]() {
	if err := codec.Check(reflect.TypeFor[Out]()); err != nil {
		panic("clstr: Define: a reply: " + err.Error())
	}
}

func (t *table) must(entity reflect.Type, first bool, what string) {
	if entity != t.entity {
		panic(fmt.Sprintf("clstr: Define: %s is a method of %v, not of %v", what, entity, t.entity))
	}
	if !first {
		panic(fmt.Sprintf("clstr: Define: %s has two methods", what))
	}
}
