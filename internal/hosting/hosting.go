// What a node's lifetime keeps: an actor system, a host for each handler and kind

package hosting

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// DefaultStopTimeout bounds the wait for stop hooks when a node ends.
const DefaultStopTimeout = 30 * time.Second

// Setup is what a node tells its handlers with [Bind].
type Setup struct {
	// Kind is the name under which the node serves the handler.
	Kind string
	// Observer is told of activations and the like; it may be nil.
	Observer host.Observer
	// Check is asked, before a key is made, whether the key belongs to the shard; it may be
	// nil.
	Check func(shard uint32, key string) *outcome.Error
	// Lapsed is asked whether another node may own the shard by now: before a turn that no
	// call causes, and before a key is made or passivated; it may be nil.
	Lapsed func(shard uint32) bool
	// Base has the values of hooks' contexts; it may be nil.
	Base context.Context
	// Around is the node's, around each message that comes to it; it may be nil.
	Around Around
	// Keeper keeps the state of durable entities; nil where the node has no store.
	Keeper host.Keeper
	// StopTimeout bounds the wait for stop hooks when the node ends; 0 is [DefaultStopTimeout].
	StopTimeout time.Duration
}

// hosting is what the handlers of this package keep on one lifetime: an actor
// system, and a host for each handler and kind, because equal keys of two kinds
// are two actors.
type hosting struct {
	life *dispatch.Lifetime

	mu     sync.Mutex
	setups map[string]Setup // by kind: those that the node serves
	hosts  map[hostKey]*hosted
	system *host.System // made with the first host: it is large
	endings
}

var _ dispatch.Hosts = (*hosting)(nil)

type (
	hostingKey struct{} // finds the hosting of a lifetime
	hostKey    struct {
		k    *keyed
		kind string
	}
)

// hostingOf returns nil for a lifetime that has ended.
func hostingOf(life *dispatch.Lifetime) *hosting {
	s, _ := life.Once(hostingKey{}, func() (any, func()) {
		s := &hosting{life: life, setups: map[string]Setup{}, hosts: map[hostKey]*hosted{}}
		s.moving = map[uint32]*host.EndGroup{}
		return s, s.end
	}).(*hosting)
	return s
}

func (s *hosting) attach(setup Setup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setups[setup.Kind] = setup
}

// host returns the handler's host of a kind, nil if the lifetime has ended. A
// kind that no node has named counts as none, because a sender must not be able to
// make hosts. check is asked before a key is made. It is nil for a handler that is called as
// a func, because the caller may give it another key than the sender has named.
func (s *hosting) host(k *keyed, kind string, check func(shard uint32, key string) *outcome.Error) *hosted {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	setup, ok := s.setups[kind]
	if !ok {
		kind = ""
		setup = s.setups[kind]
	}
	h := s.hosts[hostKey{k, kind}]
	if h == nil {
		if s.system == nil {
			s.system = host.NewSystem(s.life.Log(), s.life.Pool())
		}
		opts := k.opts
		opts.Kind, opts.Observer, opts.Lapsed, opts.Base, opts.Keeper = kind, setup.Observer, setup.Lapsed, setup.Base, setup.Keeper
		if k.extract == nil { // a scoped handler's keys are not the client's
			opts.Check = check
		}
		around := Chain(setup.Around, k.around)
		if around != nil {
			opts.Around = runAround
		}
		h = &hosted{k: k, host: s.system.NewHost(opts), setup: setup, life: s.life, around: around}
		s.hosts[hostKey{k, kind}] = h
		s.joins(h)
	}
	return h
}

// list is called with mu held.
func (s *hosting) list() []*hosted { return slices.Collect(maps.Values(s.hosts)) }

// hosted is a handler's host of one kind.
type hosted struct {
	k     *keyed
	host  *host.Host
	setup Setup
	life  *dispatch.Lifetime

	around Around // the node's and the handler's
}

var _ dispatch.Receiver = (*hosted)(nil)
