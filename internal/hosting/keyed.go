// A handler that hosts keys: bound to a node, or called as a func

package hosting

import (
	"context"
	"reflect"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// keyed is a handler that hosts an actor per key.
type keyed struct {
	extract func(transport.Envelope) (string, error) // nil: the envelope's key
	opts    host.Options
	around  Around

	once  sync.Once
	alone *dispatch.Lifetime // for calls without a lifetime
}

// Bind tells a handler, and handlers that it wraps, about the node that serves it with
// the given lifetime, and returns it as a receiver. For a handler of this package that is
// the direct way in: its Accept queues a call for its key and returns. For any other func
// Bind returns false, and a receiver that calls the func.
func Bind(h transport.HandlerFunc, life *dispatch.Lifetime, setup Setup) (r dispatch.Receiver, direct bool) {
	if h == nil {
		return nil, false
	}
	if s := hostingOf(life); s != nil {
		s.attach(setup)
		if k := keyedOf(h); k != nil {
			if host := s.host(k, setup.Kind, setup.Check); host != nil {
				return host, true
			}
		}
	}
	return unnamed{life.ReceiverFunc(surroundFunc(h, setup.Around))}, false
}

// keyedOf returns the handler behind a func of this package, and nil for any other func.
func keyedOf(h transport.HandlerFunc) (who *keyed) {
	if reflect.ValueOf(h).Pointer() == keyedCode {
		_, _ = h(context.WithValue(context.Background(), whoKey{}, &who), transport.Envelope{})
	}
	return who
}

// keyedCode is the code of all handlers of this package: the method value of
// keyed.serve. A program has one, whatever is inlined.
var keyedCode = reflect.ValueOf((&keyed{}).serve).Pointer()

type whoKey struct{}

// Handler makes a handler that hosts an actor per key. extract finds a message's key, nil
// for that of its sender.
func Handler(opts host.Options, extract func(transport.Envelope) (string, error), around Around) transport.HandlerFunc {
	return (&keyed{extract: extract, opts: opts, around: around}).serve
}

// TakesIDs returns a handler of this package that takes messages with an ID although it keeps
// no state, and so cannot know them again. Before the first message only.
func TakesIDs(h transport.HandlerFunc) transport.HandlerFunc {
	keyedOf(h).opts.TakesIDs = true
	return h
}

// Durable reports whether a handler is one of this package that says that the state of its actors is stored.
func Durable(h transport.HandlerFunc) bool {
	k := keyedOf(h)
	return k != nil && k.opts.Persist != nil
}

// unnamed is a func as a receiver. A func keeps no state that the library knows of.
type unnamed struct{ dispatch.Receiver }

// Accept implements [dispatch.Receiver].
func (u unnamed) Accept(c *dispatch.Call) {
	if c.Envelope().ID != "" {
		c.Refuse(outcome.Errorf(outcome.ErrNotDurable, "the handler is a func"))
		return
	}
	u.Receiver.Accept(c)
}

// serve is the handler as a func: it waits for the key's actor.
func (k *keyed) serve(ctx context.Context, env transport.Envelope) ([]byte, error) {
	if who, ok := ctx.Value(whoKey{}).(**keyed); ok {
		*who = k
		return nil, nil
	}
	life := dispatch.LifetimeFrom(ctx)
	if life == nil {
		k.once.Do(func() { k.alone = dispatch.NewLifetime(nil, nil) })
		life = k.alone
	}
	var h *hosted
	if s := hostingOf(life); s != nil {
		h = s.host(k, env.Kind, nil)
	}
	if h == nil {
		return life.HandlerFunc(ended{})(ctx, env)
	}
	return life.HandlerFunc(h)(ctx, env)
}

// ended is a handler whose node has ended.
type ended struct{}

// Accept implements [dispatch.Receiver].
func (ended) Accept(c *dispatch.Call) {
	c.Refuse(outcome.Errorf(outcome.ErrDraining, "the node of the handler has ended"))
}

// Accept implements [dispatch.Receiver].
func (h *hosted) Accept(c *dispatch.Call) {
	env := c.Envelope()
	key, ok := h.k.key(c)
	if !ok {
		return // answered
	}
	if key != env.Key {
		c.SetKey(key)
	}
	if h.setup.Check != nil && h.k.extract == nil && key == env.Key && c.KeyPassedOn() { // a sender may lie about the shard
		if err := h.setup.Check(uint32(env.Shard), key); err != nil {
			c.Refuse(err)
			return
		}
	}
	if err := c.Weigh(key); err != nil {
		c.Refuse(err)
		return
	}
	around := h.around
	if c.Nested() { // the node's was around the call that it is nested in
		around = h.k.around
	}
	if err := h.host.Deliver(uint32(env.Shard), key, surround(delivery{c}, around)); err != nil {
		c.Refuse(err)
	}
}

// key finds the key in an envelope, or answers the call.
func (k *keyed) key(c *dispatch.Call) (key string, ok bool) {
	env := c.Envelope()
	if k.extract != nil {
		key, ok = k.extracted(c)
	} else if key, ok = keyOf(c); !ok {
		c.Refuse(outcome.Errorf(outcome.ErrMissingKeyHeader, "message type %q to shard %d: send it by key", env.Type, env.Shard))
	}
	if ok && key == "" {
		e := outcome.Errorf(outcome.ErrKeyRequired, "message type %q to shard %d has an empty key", env.Type, env.Shard)
		c.Refuse(e.WithOutcome(outcome.NotStarted)) // it has come as far as the node
		return "", false
	}
	return key, ok
}

// keyOf returns the envelope's key, or that which a func before this handler has put
// into its header.
func keyOf(c *dispatch.Call) (key string, ok bool) {
	if env := c.Envelope(); env.Key != "" {
		return env.Key, true
	}
	env, _ := c.Peek()
	return env.GetHeader(transport.HeaderKey)
}

// extracted calls a scoped handler's Extract, which is the user's code: its error is
// the application's. Extract runs on a goroutine of its own, because it may end
// that goroutine. The calling goroutine is a transport's reader, or a caller.
func (k *keyed) extracted(c *dispatch.Call) (key string, ok bool) {
	over := make(chan struct{})
	go func() { // ends with Extract, which is waited for below
		defer close(over)
		key, ok = k.askExtract(c)
	}()
	<-over
	return key, ok
}

func (k *keyed) askExtract(c *dispatch.Call) (key string, ok bool) {
	returned := false
	defer func() {
		if !returned {
			value := recover()
			if value == nil {
				value = "runtime.Goexit"
			}
			c.Panicked(value)
		}
	}()
	env, there := c.Peek()
	if !there { // it was decided meanwhile, and its payload may be gone
		returned = true
		return "", false
	}
	key, err := k.extract(dispatch.Lent(env))
	returned = true
	if err != nil {
		c.Reply(nil, err)
		return "", false
	}
	return key, true
}
