package handlers

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/transport"
)

// defaultStopTimeout bounds the wait for stop hooks when a node ends.
const defaultStopTimeout = 30 * time.Second

// Env is what a node tells the handlers that it calls, with [Bind].
type Env struct {
	// Kind is the name under which the node serves the handler.
	Kind string
	// Observer is told of activations and the like; it may be nil.
	Observer actor.Observer
	// Check is asked before a key is made whether it belongs to the shard; it
	// may be nil.
	Check func(shard uint32, key string) error
	// Lapsed is asked before what no call causes, and before a key is made or
	// passivated, whether another node may own the shard by now; it may be nil.
	Lapsed func(shard uint32) bool
	// StopTimeout bounds the wait for stop hooks when the node ends; 0 is 30 s.
	StopTimeout time.Duration
}

// hosting is what the handlers of this package keep on one lifetime: an actor
// system, and a host for each handler and kind, because equal keys of two kinds
// are two actors.
type hosting struct {
	life *transport.Lifetime

	mu     sync.Mutex
	envs   map[string]Env // by kind: those that the node serves
	hosts  map[hostKey]*hosted
	system *actor.System // made with the first host: it is large
	ended  bool
	final  *actor.EndGroup // of the shards that nobody serves afterwards; nil unless there are such

	stopping sync.Once
}

type (
	hostingKey struct{} // finds the hosting of a lifetime
	hostKey    struct {
		k    *keyed
		kind string
	}
)

// hostingOf returns nil for a lifetime that has ended.
func hostingOf(life *transport.Lifetime) *hosting {
	s, _ := life.Once(hostingKey{}, func() (any, func()) {
		s := &hosting{life: life, envs: map[string]Env{}, hosts: map[hostKey]*hosted{}}
		return s, s.end
	}).(*hosting)
	return s
}

func (s *hosting) attach(env Env) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envs[env.Kind] = env
}

// host returns the handler's host of a kind, nil if the lifetime has ended. A
// kind that no node has told of counts as none: what comes over a wire must not
// make hosts. direct is false for a handler that is called as a func: what
// calls it may give it another key than the envelope came with.
func (s *hosting) host(k *keyed, kind string, direct bool) *hosted {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	env, ok := s.envs[kind]
	if !ok {
		kind = ""
		env = s.envs[kind]
	}
	h := s.hosts[hostKey{k, kind}]
	if h == nil {
		if s.system == nil {
			s.system = actor.NewSystem(s.life.Log(), s.life.Pool())
		}
		opts := k.opts
		opts.Kind, opts.Observer, opts.Lapsed = kind, env.Observer, env.Lapsed
		if direct && k.extract == nil { // a scoped handler's keys are not the client's
			opts.Check = env.Check
		}
		h = &hosted{k: k, host: s.system.NewHost(opts), env: env, life: s.life}
		s.hosts[hostKey{k, kind}] = h
	}
	return h
}

// EndShard stops a shard's keys in all hosts, side by side. The lifetime calls it.
func (s *hosting) EndShard(ctx context.Context, shard uint32, lost bool) error {
	hosts := s.all()
	s.begin(hosts, shard, lost)
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { errs[i] = h.host.EndShard(ctx, shard, lost) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// begin has a shard end in all hosts before any of them is waited for: their stop hooks
// may ask each other. With final shards they end with those, else by themselves.
func (s *hosting) begin(hosts []*hosted, shard uint32, lost bool) {
	s.mu.Lock()
	final := s.final
	s.mu.Unlock()
	if !lost {
		group := final
		if group == nil {
			group = actor.NewEndGroup(false)
		}
		for _, h := range hosts {
			h.host.BeginEnd(shard, group)
		}
	}
	if final != nil {
		final.Joined(shard)
	}
}

// Final says that the node's shards end together and nobody serves them afterwards.
// What a stop hook of one asks of another is served until the last has ended.
func Final(life *transport.Lifetime, shards []uint32) {
	s := hostingOf(life)
	if s == nil {
		return
	}
	s.mu.Lock()
	if s.final == nil {
		s.final = actor.NewEndGroup(true)
	}
	final := s.final
	s.mu.Unlock()
	final.Expect(shards)
}

// NotServed says that a shard of those that [Final] was told of never was served.
func NotServed(life *transport.Lifetime, shard uint32) {
	s := hostingOf(life)
	if s == nil {
		return
	}
	s.mu.Lock()
	final := s.final
	s.mu.Unlock()
	if final != nil {
		final.Joined(shard)
	}
}

// LapseShard refuses who waits for the shard's keys, and ends the contexts of
// their hooks that run: another node may own it by now. The lifetime calls it.
func (s *hosting) LapseShard(shard uint32) {
	for _, h := range s.all() {
		h.host.RefuseWaiting(shard)
		h.host.LapseShard(shard)
	}
}

func (s *hosting) all() []*hosted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.hosts))
}

// End stops what the handlers of this package host on a lifetime, as its end does. What
// stop hooks ask of other keys of the node is served meanwhile, as long as the node's
// subscriptions let it in.
func End(life *transport.Lifetime) {
	if s := hostingOf(life); s != nil {
		s.end()
	}
}

// end stops the hosts side by side: each may wait for its stop hooks.
func (s *hosting) end() { s.stopping.Do(s.stop) }

func (s *hosting) stop() {
	hosts := s.all()
	group := actor.NewEndGroup(true)
	for _, h := range hosts {
		h.host.BeginStop(group)
	}
	var wg sync.WaitGroup
	for _, h := range hosts {
		wg.Go(h.stop)
	}
	wg.Wait()
	s.mu.Lock()
	s.ended = true
	system, late := s.system, s.hosts
	s.mu.Unlock()
	for _, h := range late { // made meanwhile
		if !slices.Contains(hosts, h) {
			h.stop()
		}
	}
	if system != nil {
		system.Close()
	}
}

// hosted is a handler's host of one kind.
type hosted struct {
	k    *keyed
	host *actor.Host
	env  Env
	life *transport.Lifetime

	once          sync.Once
	wait, checked transport.HandlerFunc // made by once
}

var (
	_ transport.Receiver = (*hosted)(nil)
	_ transport.Receiver = checkedHost{}
)

// funcs returns the host as a func that waits for the key's actor, and as one
// that has Check look at the key before.
func (h *hosted) funcs() (wait, checked transport.HandlerFunc) {
	h.once.Do(func() {
		h.wait = h.life.HandlerFunc(h)
		h.checked = h.life.HandlerFunc(checkedHost{h})
	})
	return h.wait, h.checked
}

// checkedHost is a host that refuses keys of other shards: as a receiver does,
// and not as the func that has called it, of which it counts that it ran.
type checkedHost struct{ *hosted }

// Accept implements [transport.Receiver].
func (h checkedHost) Accept(c *transport.Call) {
	env := c.Envelope()
	if err := h.env.Check(uint32(env.Shard), env.Key); err != nil {
		refuse(c, env.Key, err)
		return
	}
	h.hosted.Accept(c)
}

func (h *hosted) stop() {
	timeout := h.env.StopTimeout
	if timeout <= 0 {
		timeout = defaultStopTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := h.host.Stop(ctx); err != nil {
		h.host.Abandon()
		h.life.Report(err)
		h.life.Log().Error("keys are still running", slog.Any("error", err))
	}
}
