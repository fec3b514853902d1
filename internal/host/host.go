// Host and its options: the actors of one factory, delivery, stopping

package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/internal/shardtable"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// Defaults of [Options].
const (
	DefaultCacheSize   = 1024
	DefaultMailboxSize = 1024
	DefaultHookTimeout = 30 * time.Second
)

// Options configures a host. Only Factory is required.
type Options struct {
	// Kind names the entities, in logs and metrics.
	Kind string
	// Factory makes the actor of a key. It runs on the key's own turn and may
	// block; its error reaches all callers that wait, as an [outcome.ErrActivationFailed].
	Factory func(key string) (Actor, error)
	// CacheSize, MailboxSize, IdleAfter and HookTimeout are as in handlers.Options, and 0
	// leaves them to the entities' definition ([Settings]). A key
	// may be over CacheSize while all are busy. Mail by process id counts as use; periodic
	// work and receive timeouts, which a key sends to itself, do not. HookTimeout bounds
	// what a protoactor actor does on Started, Restarting, Stopping and Stopped, too. An
	// activation that succeeds after its limit counts.
	CacheSize   int
	MailboxSize int
	IdleAfter   time.Duration
	HookTimeout time.Duration
	// Check is asked before a key is made whether it belongs to the shard; its
	// error refuses the message. It must not block. It may be nil.
	Check func(shard uint32, key string) *outcome.Error
	// Lapsed says whether another node may own the shard by now. In that case mail by process id
	// becomes a dead letter, periodic work is left out, no stop hook runs, the contexts of
	// other hooks have ended, and no key is made, evicted or passivated as idle. For calls,
	// Call.Start asks instead. Lapsed must not block. It may be nil.
	Lapsed func(shard uint32) bool
	// Unknown makes the value that a protoactor actor receives for a message whose type has no
	// decoder ([RegisterDecoder]). If it is nil, the actor receives the *Message.
	Unknown func(Message) any
	// Draining is the message that a protoactor actor that owes answers gets in place of a call of
	// [Entity].Drain. It may be nil.
	Draining any
	// TakesIDs hands messages with an ID to actors that keep no state, which are refused
	// otherwise.
	TakesIDs bool
	// Keeper keeps the state of durable entities. It may be nil.
	Keeper Keeper
	// Persist makes protoactor actors durable. Each of them must then be a [persist.Stateful]. An entity
	// says itself whether it is durable ([persist.Durable]). Persist may be nil.
	Persist *persist.Options
	// Base has the values of hooks' contexts. It may be nil.
	Base context.Context
	// Observer is told of activations and the like. It may be nil.
	Observer Observer
	// Around is called on the key's turn for each call, and calls handle, which handles
	// the call. If Around returns a func, that answers the call. It may be nil.
	Around func(c Call, handle func()) (answer func())
}

func (o Options) withDefaults() Options {
	if o.Unknown == nil {
		o.Unknown = func(m Message) any { return &m }
	}
	if o.Base == nil {
		o.Base = context.Background()
	}
	return o
}

// Host keeps the actors of one factory. Make one with [System.NewHost].
type Host struct {
	system    *System
	opts      Options
	mailbox   limit // of the messages that wait for a key
	observers observers
	name      string
	life      context.Context // of hooks
	endHooks  context.CancelFunc

	ages    ages
	bound   bound
	idle    idler
	backoff backoff // of keys that could not be activated
	returns returns // of keys that were evicted
	full    full    // mailboxes

	mu      sync.RWMutex
	shards  shardtable.Table[shard] // written with mu held
	all     map[uint32]*shard       // what is in shards
	ending  *EndGroup               // of all, where the host stops
	stopped bool
}

// Deliver queues a call for the key's actor, and makes the actor if there is
// none. It never blocks. A nil error means that the call will be handled or
// answered exactly once. Otherwise the call was not taken.
func (h *Host) Deliver(shardID uint32, key string, call Call) *outcome.Error {
	s := h.shards.Get(shardID)
	if s == nil {
		if s = h.makeShard(shardID, call.StopHook() != turn.Key); s == nil {
			return hostStops(key)
		}
	}
	return s.deliver(key, &Context{call: call})
}

// makeShard returns the shard, and makes it if there is none. It returns nil if the
// host ends and no stop hook asks for the shard.
func (h *Host) makeShard(id uint32, stopHook bool) *shard {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.ending != nil && !stopHook {
		return nil
	}
	s := h.shards.Get(id)
	if s == nil {
		s = newShard(h, id, h.ending)
		h.all[id] = s
		h.shards.Set(id, s)
	}
	return s
}

// forget takes a shard that has ended out of the tables.
func (h *Host) forget(s *shard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped { // otherwise Stop waits for it
		h.shards.Set(s.id, nil)
		delete(h.all, s.id)
	}
}

// Active returns how many keys have an actor that does not stop.
func (h *Host) Active() int { return int(h.bound.active.Load()) }

func (h *Host) count(delta int) {
	if delta == 0 {
		return
	}
	h.bound.add(delta)
	if h.observers.all != nil { // the func is made on the heap
		h.observers.apart(func(o Observer, kind string) { o.ActiveKeys(kind, delta) })
	}
}

// LapseShard refuses with [outcome.ErrNotOwner] the waiting requests of a shard. The node's lease has ended,
// and their senders may find another owner sooner than the turn before them ends. Accepted
// notifications stay. The contexts of the shard's running hooks end. The lease may come back, for
// later hooks. LapseShard does not block.
func (h *Host) LapseShard(id uint32) {
	if s := h.shards.Get(id); s != nil {
		s.lapse()
	}
}

// BeginEnd begins to end a shard, as one of a group. It refuses arriving and waiting messages,
// except those of stop hooks, and passivates the keys. [Host.EndShard] waits
// for that. BeginEnd does not block.
func (h *Host) BeginEnd(id uint32, g *EndGroup) {
	if s := h.makeShard(id, false); s != nil {
		s.beginEnd(g)
	}
}

// EndShard refuses messages that arrive and wait for the shard's keys, and passivates
// each key with its stop hook. It returns when all have ended, or with an [Unended]
// when that takes longer than ctx. A later delivery begins anew. Keys that have not ended
// refuse messages with [outcome.ErrOverloaded] until they have, and no later EndShard waits for
// them beside others. With lost, another node may have the shard already: no stop hook runs,
// and the contexts of running hooks end, so that a hook that watches its context writes nothing. The
// same holds when ctx ends, because another node may have the shard soon.
func (h *Host) EndShard(ctx context.Context, id uint32, lost bool) error {
	s := h.shards.Get(id)
	if s == nil {
		return nil
	}
	if !lost {
		s.beginEnd(NewEndGroup(false)) // unless it has begun
		if s.passivated(ctx) {
			return nil
		}
	}
	keys, at := s.cutOff()
	left := s.awaitCutOff(ctx, keys)
	if lost {
		at = left
	}
	if at.keys == 0 {
		return nil
	}
	return &Unended{at.counted, fmt.Sprintf("ending shard %d of kind %q: %v: %s", id, h.opts.Kind, ctx.Err(), at.names), ctx.Err()}
}

// BeginStop is BeginEnd for all shards; [Host.Stop] waits for it.
func (h *Host) BeginStop(g *EndGroup) {
	h.mu.Lock()
	if h.ending == nil {
		h.ending = g
	}
	g = h.ending
	g.Hold() // the shards begin one after the other
	defer g.Release()
	shards := slices.Collect(maps.Values(h.all))
	h.mu.Unlock()
	h.idle.stop()
	for _, s := range shards {
		s.beginEnd(g)
	}
}

// Stop refuses arriving and waiting messages, lets running turns end,
// passivates every key with its stop hook, and returns when the last has
// ended. If that takes too long, it returns ctx's error, and names the keys that
// have not ended and what they are doing.
func (h *Host) Stop(ctx context.Context) error {
	h.BeginStop(NewEndGroup(true)) // unless it has begun
	h.mu.RLock()
	group := h.ending
	h.mu.RUnlock()
	_ = group.await(ctx) // the waits below tell which keys live
	h.mu.Lock()
	h.stopped = true
	shards := slices.Collect(maps.Values(h.all))
	h.mu.Unlock()
	for _, s := range shards {
		s.stop()
	}
	for _, s := range shards {
		select {
		case <-s.supervisor.done:
			continue
		case <-ctx.Done():
		}
		var keys []*cell
		for _, s := range shards {
			keys = append(keys, s.cells()...)
		}
		return fmt.Errorf("stopping kind %q: still running: %s: %w", h.opts.Kind, doingsOf(keys).names, ctx.Err())
	}
	h.endHooks()
	return nil
}

// Doing names some of the keys that are at a turn now, and says what each is at. It is empty if no key is at a turn.
func (h *Host) Doing() string {
	h.mu.RLock()
	shards := slices.Collect(maps.Values(h.all))
	h.mu.RUnlock()
	var keys []*cell
	for _, s := range shards {
		keys = append(keys, s.cells()...)
	}
	return doingsOf(keys).names
}

// Abandon ends the context of stop hooks that still run after a Stop that has
// given up.
func (h *Host) Abandon() { h.endHooks() }
