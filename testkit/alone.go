// Alone: one entity under virtual time

package testkit

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport"
)

// Alone runs f with one entity, that of the given key, in a testing/synctest bubble.
// Time is virtual: it passes only while everything in the bubble waits. So minutes of
// Every, PassivateAfter, TTLs and deadlines take no time and are exact. Things that are
// due at the same instant happen in any order, as in production: use periods that
// differ, or advance past the instant.
//
//	testkit.Alone(t, Accounts.New, "acc-1", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
//		balance, err := testkit.Ask[Balance](e, Deposit{100})
//		e.Advance(10 * time.Minute)
//		if e.Active() { t.Error("was not passivated") }
//	})
//
// The entity is hosted as in production, by a node with one shard. The factory makes an
// entity of actor.Define or a protoactor actor, and is called for this key only. Give
// an entity that asks others a [StubClient].
//
// The rules of synctest hold: f must not use channels, timers or wait groups that were
// made outside the bubble, must do no real I/O, and must not call t.Run or t.Parallel.
// The entity ends with f, and its stop hook runs. Goroutines that are left then fail
// the test.
//
// Alone panics on an option that is out of range.
func Alone(t *testing.T, factory handlers.ActorFactory, key string, opts AloneOptions, f func(t *testing.T, e *Entity)) {
	t.Helper()
	p := &probes{inner: factory, persists: opts.Handler.Durable != nil}
	host := handlers.NewActorHandlerWithOpts(p.make, opts.Handler)
	kind := cmp.Or(opts.Kind, defaultKind)
	synctest.Test(t, func(t *testing.T) {
		w := &watch{ClusterMetrics: cluster.NopClusterMetrics(), changed: make(chan struct{})}
		o := ClusterOptions{Nodes: 1, NumShards: 1, Metrics: w, Limits: opts.Limits, State: opts.State, asks: opts.Client, Log: opts.log}
		if o.Log == nil {
			o.Log = Logger(t, slog.LevelWarn)
		}
		o.Kinds = map[string]cluster.ServerHandlerFunc{kind: host}
		c := NewCluster(t, o)
		f(t, &Entity{t: t, kind: kind, key: key, client: c.Client().Kind(kind).Key(key), watch: w, probes: p, cluster: c})
	})
}

// AloneOptions configures [Alone].
type AloneOptions struct {
	// Kind is the entity's kind, as in [cluster.NodeOptions]. Empty = "entity".
	Kind string
	// Handler bounds mailbox and idle time, as in production.
	Handler handlers.Options
	// Client is the client that the entity asks others with (clstr.From), for example a
	// [StubClient]. nil = a client of the entity's own node, which hosts no other kind.
	Client *cluster.Client
	// State keeps what a durable entity stores. nil = a store in memory. Give it a store with
	// [StateFaults], or one that was filled before.
	State state.Store
	// Limits are the limits of the node's transport, including HandlerTimeout.
	Limits transport.Limits

	log *slog.Logger // nil is the test's log, from warnings on
}

// Entity is the one entity of [Alone]. Call its methods inside the bubble.
type Entity struct {
	t         testing.TB
	kind, key string
	client    *cluster.ScopedClient
	watch     *watch
	probes    *probes

	cluster *Cluster
}

const defaultKind = "entity"

// Client returns the client that [Ask] and Notify use. Use it for what they do not
// offer: contexts, concurrent calls.
func (e *Entity) Client() *cluster.ScopedClient { return e.client }

// Ask sends a request and waits for the reply, as cluster.Request does. Without an
// option it waits for at most 30 seconds of virtual time.
func Ask[Out any](e *Entity, msg any, opts ...cluster.EnvelopeOption) (Out, error) {
	out, err := cluster.NewRequest[any, Out](e.client).Request(context.Background(), msg, opts...)
	if err != nil {
		var zero Out
		return zero, err
	}
	return *out, nil
}

// Notify sends a notification. It returns when the entity has handled it, or waits for
// something while it handles it: time, a channel, another call. The error is that of
// the acceptance. An error of the handler is logged.
func (e *Entity) Notify(msg any, opts ...cluster.EnvelopeOption) error {
	err := e.client.Notify(context.Background(), msg, opts...)
	e.Wait()
	return err
}

// Wait returns when everything in the bubble has come to rest: nothing more happens
// until time passes or the test acts. It takes no virtual time.
func (e *Entity) Wait() { synctest.Wait() }

// Advance lets time pass. It returns when everything that was due is done, or waits for
// a later moment.
func (e *Entity) Advance(d time.Duration) {
	time.Sleep(d) // in a bubble: until everything waits, then at once
	synctest.Wait()
}

// Active waits until everything has come to rest. Then it reports whether the entity
// has an incarnation that is not ending.
func (e *Entity) Active() bool {
	e.Wait()
	return e.watch.active() > 0
}

// Passivate passivates the entity after the messages that it has been sent, and returns
// when its stop hook has ended. It does nothing if the entity is not active. It fails
// the test if that takes more than 30 seconds of virtual time.
func (e *Entity) Passivate() {
	e.t.Helper()
	if !e.Active() {
		return
	}
	ended := e.watch.passivations()
	if err := e.order(msgPassivate); err != nil {
		e.t.Fatalf("testkit: Passivate: %v", err)
	}
	e.watch.await(ended + 1)
	e.Wait()
}

// Activate makes the entity if it is not active, without a message of the
// application's. It returns the error of the activation.
func (e *Entity) Activate() error { return e.order(msgActivate) }

// Restart passivates the entity and makes it anew, as a hand-off or a deploy does: the
// entity loses what it keeps only in memory. Restart returns the error of the
// activation.
func (e *Entity) Restart() error {
	e.t.Helper()
	e.Passivate()
	return e.Activate()
}

// Drain ends the entity's node and has another take its shard, as in a planned move. An
// entity that owes answers hears of it (actor.OnDrain, or the message actor.Draining).
// Requests that were declared with NoEffect go to the next owner and make the entity
// anew there; other requests get half a second. Drain returns when the next owner
// serves. Clients ask that owner after a pause: Advance(time.Second) is enough.
func (e *Entity) Drain() {
	e.t.Helper()
	if net, ok := e.cluster.net.(*memNetwork); ok {
		net.expectOwners()
	}
	for _, id := range e.cluster.nodes.ids {
		e.cluster.StopNode(id)
		e.cluster.StartNode(id)
	}
	e.Wait()
}

// Stored returns what a durable entity has stored, or nil if that is nothing.
func (e *Entity) Stored() *state.Record {
	e.t.Helper()
	return e.cluster.Stored(e.kind, e.key)
}

// Crash ends the entity at once, at any moment. What it keeps only in memory is lost, and OnPassivate
// does not run.
//
// A durable entity ends with its node, and another node takes over: the next message makes the
// entity anew from what is stored. What has not reached the store never will. Callers that wait
// get no answer, and cluster.MaybeRan at their deadlines. To crash while a change is on its way,
// delay it by [StateFaults]: with Delay it is lost, and with DelayAnswer it is stored.
//
// Another entity panics on a turn of its own, and its supervisor makes it anew at once. If it is not
// active, it is made first. The panic is not logged.
func (e *Entity) Crash() {
	e.t.Helper()
	if !e.probes.durable() && !e.Active() {
		if err := e.Activate(); err != nil {
			e.t.Fatalf("testkit: Crash: %v", err)
		}
	}
	if e.probes.durable() { // busy or not
		e.probes.bury()
		for _, id := range e.cluster.nodes.ids {
			e.cluster.KillNode(id)
			e.cluster.StartNode(id)
		}
		e.Wait()
		return
	}
	if err := e.order(msgCrash); cluster.CodeOf(err) != cluster.CodeOf(cluster.ErrPanicked) {
		e.t.Fatalf("testkit: Crash: %v", err)
	}
	e.Wait()
}

func (e *Entity) order(m order) error {
	_, err := e.client.Request(context.Background(), m)
	return err
}

// watch follows the entity's life, as the node's metrics do.
type watch struct {
	cluster.ClusterMetrics

	mu         sync.Mutex
	keys       int
	passivated int
	changed    chan struct{} // closed and made anew at each passivation
}

var _ cluster.EntityMetrics = (*watch)(nil)

// ActiveKeys implements cluster.EntityMetrics.
func (w *watch) ActiveKeys(_ string, delta int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys += delta
}

// Passivated implements cluster.EntityMetrics.
func (w *watch) Passivated(string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passivated++
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watch) active() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys
}

func (w *watch) passivations() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passivated
}

// await returns when there have been n passivations.
func (w *watch) await(n int) {
	for {
		w.mu.Lock()
		done, changed := w.passivated >= n, w.changed
		w.mu.Unlock()
		if done {
			return
		}
		<-changed
	}
}

func (w *watch) Activated(string)          {}
func (w *watch) ActivationFailed(string)   {}
func (w *watch) MailboxRefused(string)     {}
func (w *watch) CallRefused(string)        {}
func (w *watch) KeyReturned(string)        {}
func (w *watch) NotificationFailed(string) {}

// order is a message of the test to the entity, which names itself.
type order string

const (
	msgActivate  order = "clstr.testkit.activate"
	msgPassivate order = "clstr.testkit.passivate"
	msgCrash     order = "clstr.testkit.crash"
)

// MessageType names the message on the wire.
func (o order) MessageType() string { return string(o) }
