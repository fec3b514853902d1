package handlers

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/transport"
)

// defaultStopTimeout bounds the wait for stop hooks when a node ends.
const defaultStopTimeout = 30 * time.Second

// keyed is a handler that hosts an actor per key.
type keyed struct {
	extract func(transport.Envelope) (string, error) // nil: the envelope's key
	opts    actor.HostOptions

	once  sync.Once
	alone *transport.Lifetime // for calls without a lifetime
}

// Env is what a node tells the handlers that it calls, under [Attach].
type Env struct {
	// Kind is the name under which the node serves the handler.
	Kind string
	// Observer is told of activations and the like; it may be nil.
	Observer actor.Observer
	// Check is asked before a key is made whether it belongs to the shard; it
	// may be nil.
	Check func(shard uint32, key string) error
	// StopTimeout bounds the wait for stop hooks when the node ends; 0 is 30 s.
	StopTimeout time.Duration
}

// systemKey finds a lifetime's actor system, and hostKey the host of a handler.
type (
	systemKey struct{}
	hostKey   struct{ k *keyed }
	syncKey   struct{ k *keyed }
)

// Bind gives the direct way into a handler of this package, for the given
// lifetime: a receiver whose Accept queues a call for its key and returns. It
// returns false for any other func.
func Bind(h transport.HandlerFunc, life *transport.Lifetime, env Env) (transport.Receiver, bool) {
	if h == nil || reflect.ValueOf(h).Pointer() != keyedCode {
		return nil, false
	}
	// It is ours for certain, so that it can be asked who it is.
	var who *keyed
	_, _ = h(context.WithValue(context.Background(), whoKey{}, &who), transport.Envelope{})
	if who == nil {
		return nil, false
	}
	host := who.host(life, env)
	if host == nil {
		return nil, false
	}
	return &receiver{who, host}, true
}

// keyedCode is the code of all handlers of this package: the method value of
// keyed.serve, of which a program has one, whatever is inlined.
var keyedCode = reflect.ValueOf((&keyed{}).serve).Pointer()

type whoKey struct{}

func (k *keyed) handler() transport.HandlerFunc { return k.serve }

// serve is the handler as a func: it waits for the key's actor.
func (k *keyed) serve(ctx context.Context, env transport.Envelope) ([]byte, error) {
	if who, ok := ctx.Value(whoKey{}).(**keyed); ok {
		*who = k
		return nil, nil
	}
	life := transport.LifetimeFrom(ctx)
	if life == nil {
		k.once.Do(func() { k.alone = transport.NewLifetime(slog.Default(), nil) })
		life = k.alone
	}
	host := k.host(life, Env{})
	if host == nil {
		return nil, transport.Errorf(transport.ErrDraining, "the node has ended")
	}
	h := life.Once(syncKey{k}, func() (any, func()) { return &lazyFunc{}, func() {} })
	return h.(*lazyFunc).get(func() transport.HandlerFunc {
		return life.HandlerFunc(&receiver{k, host})
	})(ctx, env)
}

// lazyFunc makes a func once, outside the lifetime's lock.
type lazyFunc struct {
	once sync.Once
	h    transport.HandlerFunc
}

func (l *lazyFunc) get(make func() transport.HandlerFunc) transport.HandlerFunc {
	l.once.Do(func() { l.h = make() })
	return l.h
}

// host returns the lifetime's host of this handler, nil if that has ended.
func (k *keyed) host(life *transport.Lifetime, env Env) *actor.Host {
	system, _ := life.Once(systemKey{}, func() (any, func()) {
		s := actor.NewSystem(life.Log(), life.Pool())
		return s, s.Close
	}).(*actor.System)
	if system == nil {
		return nil
	}
	host, _ := life.Once(hostKey{k}, func() (any, func()) {
		h := system.NewHost(k.hostOptions(env))
		return h, func() { stop(h, env.StopTimeout, life.Log()) }
	}).(*actor.Host)
	return host
}

func (k *keyed) hostOptions(env Env) actor.HostOptions {
	opts := k.opts
	opts.Observer = env.Observer
	if opts.Kind == "" {
		opts.Kind = env.Kind
	}
	if k.extract == nil {
		opts.Check = env.Check // a scoped handler's keys are not the client's
	}
	return opts
}

func stop(h *actor.Host, timeout time.Duration, log *slog.Logger) {
	if timeout <= 0 {
		timeout = defaultStopTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := h.Stop(ctx); err != nil {
		log.Error("keys are still running", slog.Any("error", err))
	}
}

// receiver takes calls to a host.
type receiver struct {
	k    *keyed
	host *actor.Host
}

// Accept implements [transport.Receiver].
func (r *receiver) Accept(c *transport.Call) {
	env := c.Envelope()
	key, err := r.k.key(c)
	if err != nil {
		refuse(c, err)
		return
	}
	m := actor.NewContext(delivery{c}, actor.Message{Type: env.Type, Key: key, Data: env.Data, Headers: env.Headers})
	if err := r.host.Deliver(uint32(env.Shard), key, m); err != nil {
		refuse(c, err)
	}
}

// key finds the key in an envelope; a scoped handler's Extract is the user's.
func (k *keyed) key(c *transport.Call) (key string, err error) {
	env := c.Envelope()
	if k.extract == nil {
		key, ok := env.GetHeader(transport.HeaderKey)
		if !ok {
			return "", transport.Errorf(transport.ErrMissingKeyHeader, "message type %q to shard %d: send it by key", env.Type, env.Shard)
		}
		if key == "" {
			return "", transport.Errorf(transport.ErrKeyRequired, "message type %q to shard %d", env.Type, env.Shard)
		}
		return key, nil
	}
	defer func() {
		if value := recover(); value != nil {
			c.Panicked(value)
			err = errors.New("extract panicked")
		}
	}()
	key, err = k.extract(*env)
	if err == nil && key == "" {
		err = transport.Errorf(transport.ErrKeyRequired, "message type %q to shard %d: Extract returned an empty key", env.Type, env.Shard)
	}
	return key, err
}
