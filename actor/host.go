// Host and its options: the actors of one factory, delivery, stopping

package actor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/shardtable"
	"github.com/clstr-go/clstr/internal/sparse"
)

// Defaults of [HostOptions].
const (
	DefaultCacheSize   = 1024
	DefaultMailboxSize = 1024
	DefaultHookTimeout = 30 * time.Second
)

// HostOptions configures a host. Only Factory is required.
type HostOptions struct {
	// Kind names the entities, in logs and metrics.
	Kind string
	// Factory makes the actor of a key. It runs on the key's own turn and may
	// block; its error reaches all callers that wait, as an [ErrActivation].
	Factory func(key string) (Actor, error)
	// CacheSize is how many keys stay active; beyond it the least recently used
	// that is neither busy nor has mail is passivated. A key is busy, too, while it
	// owes an answer that it gives later, until the call's time is up. While all
	// are busy there may be more. Where evicted keys come back soon it is too small: the
	// log says so, and a [ReturnObserver] counts them. 0 = default (1,024), -1 = unlimited.
	CacheSize int
	// MailboxSize is how many messages may wait for one key.
	// 0 = default (1,024), -1 = unlimited.
	MailboxSize int
	// IdleAfter passivates a key that got no message for that long, and at most
	// an eighth longer. Mail by process id counts; periodic work and receive
	// timeouts, which a key sends to itself, do not. 0 = never, unless the entity's
	// definition says so.
	IdleAfter time.Duration
	// HookTimeout bounds each turn that no message causes: the factory with
	// OnActivate, OnPassivate, a call of Every, and what a protoactor actor does
	// on Started, Restarting, Stopping and Stopped. At the limit the hook's
	// context ends and messages that wait for the key are answered: with [ErrActivation]
	// if it was to be activated, with [ErrStuck] otherwise. A hook that goes on
	// regardless cannot be ended: its key refuses at once with ErrStuck until it
	// returns, since two incarnations must never live at once, and it keeps its
	// place among the running handlers. An activation that succeeds after its
	// limit counts.
	// 0 = the entity's definition, or the default (30 s); -1 = unlimited.
	HookTimeout time.Duration
	// Check is asked before a key is made whether it belongs to the shard; its
	// error refuses the message. It must not block. It may be nil.
	Check func(shard uint32, key string) error
	// Lapsed is asked before mail by process id, periodic work and hooks whether
	// another may own the shard by now. Then the mail becomes a dead letter, the work is
	// left out, no stop hook runs, and the contexts of other hooks have ended. No key is made. None is passivated because it is idle or to make room,
	// because it could not save what it has. Calls are not asked about here, but at their
	// Start. Lapsed must not block. It may be nil.
	Lapsed func(shard uint32) bool
	// Base has the values of hooks' contexts. It may be nil.
	Base context.Context
	// Observer is told of activations and the like. It may be nil.
	Observer Observer
}

// Observer counts what happens in a host. Its methods must not block.
type Observer interface {
	Activated(kind string)
	ActivationFailed(kind string)
	Passivated(kind string)
	MailboxRefused(kind string)
	ActiveKeys(kind string, delta int)
}

// KeyObserver may be implemented by an [Observer] that also wants to know which
// keys live. Its methods must not block.
type KeyObserver interface {
	// KeyBegins is called before an incarnation of a key is made, and KeyEnded
	// when it has ended, its stop hook included, or could not be made.
	KeyBegins(kind string, shard uint32, key string)
	KeyEnded(kind string, shard uint32, key string)
}

func (o HostOptions) withDefaults() HostOptions {
	if o.CacheSize == 0 {
		o.CacheSize = DefaultCacheSize
	}
	if o.MailboxSize == 0 {
		o.MailboxSize = DefaultMailboxSize
	}
	if o.Base == nil {
		o.Base = context.Background()
	}
	return o
}

// Host keeps the actors of one factory. Make one with [System.NewHost].
type Host struct {
	system *System
	opts   HostOptions
	keys   KeyObserver // the observer, if it is one
	name   string
	life   context.Context // ends with Stop
	end    context.CancelFunc

	clock  atomic.Int64 // counts deliveries: the order of use
	active atomic.Int64
	idle   idler

	backoff backoff // of keys that could not be activated
	returns returns // of keys that were evicted

	mu      sync.RWMutex
	shards  shardtable.Table[shard] // written with mu held
	late    map[uint32][]*shard     // by number, what EndShard has waited for in vain; the slices are replaced
	list    []*shard                // what is in shards and late, in no order
	made    int                     // shards
	groups  map[uint32]*EndGroup    // of shards that end and have no table
	ending  *EndGroup               // of all, where the host stops
	stopped bool

	ages     byAge       // the shards that have keys
	evicting sync.Mutex  // one looks for keys to stop; before mu and the shards' locks
	allBusy  atomic.Bool // the host is over its bound, and no key is idle
}

// NewHost makes a host.
func (s *System) NewHost(opts HostOptions) *Host {
	h := &Host{system: s, opts: opts.withDefaults(), name: s.nextHost(), late: map[uint32][]*shard{}, groups: map[uint32]*EndGroup{}}
	h.life, h.end = context.WithCancel(context.WithoutCancel(h.opts.Base))
	h.keys, _ = opts.Observer.(KeyObserver)
	h.idle.host = h
	h.returns.host = h
	h.returns.observer, _ = opts.Observer.(ReturnObserver)
	h.idle.after.Store(int64(opts.IdleAfter))
	return h
}

// Deliver queues a call for the key's actor, and makes the actor if there is
// none. It never blocks. A nil error means that the call will be handled or
// answered exactly once; otherwise it was not taken: ErrMailboxFull, ErrStopping,
// ErrLapsed, or what Check said.
func (h *Host) Deliver(shardID uint32, key string, call Call) error {
	s := h.shards.Get(shardID)
	if s == nil {
		if s = h.makeShard(shardID, call); s == nil {
			return ErrStopping
		}
	}
	return s.deliver(key, &Context{call: call})
}

func (h *Host) makeShard(id uint32, call Call) *shard {
	h.mu.Lock()
	defer h.mu.Unlock()
	group := h.groupOf(id)
	if h.stopped || group != nil && call.StopHook() == KeyTurn {
		return nil
	}
	s := h.shards.Get(id)
	if s == nil {
		h.made++
		s = newShard(h, id, h.made)
		s.before, s.group = h.late[id], group
		s.listed = len(h.list)
		h.list = append(h.list, s)
		h.shards.Set(id, s)
	}
	return s
}

// Active returns how many keys have an actor.
func (h *Host) Active() int { return int(h.active.Load()) }

// Stop refuses what comes and what waits, lets turns that run come to their
// end, passivates every key with its stop hook, and returns when the last has
// ended. When that takes too long it returns ctx's error, and names the keys that
// have not ended and what they are at.
func (h *Host) Stop(ctx context.Context) error {
	h.BeginStop(NewEndGroup(true)) // unless it has begun
	h.mu.RLock()
	group := h.ending
	h.mu.RUnlock()
	_ = group.await(ctx) // the waits below tell which keys live
	h.mu.Lock()
	h.stopped = true
	shards := slices.Clone(h.list)
	h.mu.Unlock()
	for _, s := range shards {
		s.stop()
	}
	for _, s := range shards {
		select {
		case <-s.done:
			continue
		case <-ctx.Done():
		}
		return fmt.Errorf("stopping kind %q: still running: %s: %w", h.opts.Kind, running(shards...), ctx.Err())
	}
	h.end()
	return nil
}

// Abandon ends the context of stop hooks that still run after a Stop that has
// given up.
func (h *Host) Abandon() { h.end() }

func (h *Host) count(delta int) {
	if delta == 0 {
		return
	}
	h.active.Add(int64(delta))
	if delta > 0 {
		h.idle.wake()
	} else if !h.over() {
		h.allBusy.Store(false)
	}
	if o := h.opts.Observer; o != nil { // the key is yet to be spawned, or a supervisor is at it
		sparse.Apart(h.system.log, "the metrics", func() { o.ActiveKeys(h.opts.Kind, delta) })
	}
}

func (h *Host) activated() {
	if o := h.opts.Observer; o != nil {
		defer sparse.Recover(h.system.log, "the metrics")
		o.Activated(h.opts.Kind)
	}
}

func (h *Host) notActivated() {
	if o := h.opts.Observer; o != nil { // the messages that wait are yet to be answered
		sparse.Apart(h.system.log, "the metrics", func() { o.ActivationFailed(h.opts.Kind) })
	}
}

func (h *Host) passivated() {
	if o := h.opts.Observer; o != nil {
		defer sparse.Recover(h.system.log, "the metrics")
		o.Passivated(h.opts.Kind)
	}
}

func (h *Host) refused() {
	if o := h.opts.Observer; o != nil { // the message is yet to be answered
		sparse.Apart(h.system.log, "the metrics", func() { o.MailboxRefused(h.opts.Kind) })
	}
}

// deadMail makes mail by process id, which has no other answer, a dead letter.
func (h *Host) deadMail(c *cell, message any, why string) {
	c.log().Warn("message by process id becomes a dead letter", slog.String("why", why),
		slog.String("type", fmt.Sprintf("%T", pactor.UnwrapEnvelopeMessage(message))))
	h.deadLetter(c.self(), message)
}

// deadLetter is where mail by process id ends that no incarnation will handle;
// protoactor tells its sender, if it has one.
func (h *Host) deadLetter(pid *PID, message any) {
	if _, tick := message.(*ticker); !tick {
		h.system.as.DeadLetter.SendUserMessage(pid, message)
	}
}

// logPanic is called from the deferred function that recovered.
func (c *cell) logPanic(what string, value any) {
	c.log().Error("actor panicked", slog.String("message", what), sparse.Panic(value))
}
