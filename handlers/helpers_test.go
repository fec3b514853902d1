package handlers_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

var quiet = slog.New(slog.DiscardHandler)

func init() { slog.SetDefault(quiet) } // where handlers log that no node serves

// caller sends an envelope to a handler.
type caller func(ctx context.Context, env transport.Envelope) ([]byte, error)

// ask sends a request of a type to a key.
func (c caller) ask(key, msgType string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Hour) // without one it would have 30 s
	defer cancel()
	reply, err := c(ctx, transport.Envelope{Type: msgType, Key: key})
	return string(reply), err
}

// node does with a handler what a node of a cluster does.
type node struct {
	tr   *memtransport.Transport
	life *dispatch.Lifetime
	subs []transport.Subscription
	once sync.Once
}

func newNode(t testing.TB, limits memtransport.Options) *node { return newNodeTo(t, limits, quiet) }

// newNodeTo is newNode with a log.
func newNodeTo(t testing.TB, limits memtransport.Options, log *slog.Logger) *node {
	tr := memtransport.New(limits).WithLog(log)
	n := &node{tr: tr, life: dispatch.NewLifetime(log, dispatch.DispatcherOf(tr))}
	t.Cleanup(func() {
		n.end()
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// serve gives a handler the next shard, and returns how to call it.
func (n *node) serve(t testing.TB, h transport.HandlerFunc, env hosting.Setup) caller {
	t.Helper()
	r, ok := hosting.Bind(h, n.life, env)
	if !ok {
		r = n.life.ReceiverFunc(h)
	}
	shard := len(n.subs)
	sub, err := n.tr.Backend().Subscribe(n.life.Context(), uint32(shard), dispatch.Subscriber{Receiver: r})
	if err != nil {
		t.Fatal(err)
	}
	n.subs = append(n.subs, sub)
	return func(ctx context.Context, e transport.Envelope) ([]byte, error) {
		e.Shard, e.Kind = shard, env.Kind
		return n.tr.Request(ctx, e)
	}
}

func (n *node) end() {
	n.once.Do(func() {
		for _, s := range n.subs {
			_ = s.Unsubscribe()
		}
		n.life.End()
	})
}

// wrapped is a handler behind a middleware.
func wrapped(h transport.HandlerFunc) transport.HandlerFunc {
	return func(ctx context.Context, env transport.Envelope) ([]byte, error) { return h(ctx, env) }
}

// form is a way in which a handler is called.
type form string

const (
	direct     form = "direct"     // by a node, as a receiver
	middleware form = "middleware" // by a node, through a func
	plain      form = "plain"      // as a func, without a node
)

// inEachForm runs a test for each way in which the handlers that make makes are
// called.
func inEachForm(t *testing.T, make func() transport.HandlerFunc, test func(t *testing.T, f form, call caller)) {
	for _, f := range []form{direct, middleware, plain} {
		t.Run(string(f), func(t *testing.T) { inForm(t, f, make(), test) })
	}
}

// inEachBubble is inEachForm under virtual time. The plain form is in real time, because it has no end, and a bubble waits for
// its goroutines.
func inEachBubble(t *testing.T, make func() transport.HandlerFunc, test func(t *testing.T, f form, call caller)) {
	for _, f := range []form{direct, middleware} {
		t.Run(string(f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { inForm(t, f, make(), test) })
		})
	}
	t.Run(string(plain), func(t *testing.T) { inForm(t, plain, make(), test) })
}

func inForm(t *testing.T, f form, h transport.HandlerFunc, test func(t *testing.T, f form, call caller)) {
	switch f {
	case direct:
		test(t, f, newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{}))
	case middleware:
		test(t, f, newNode(t, memtransport.Options{}).serve(t, wrapped(h), hosting.Setup{}))
	case plain:
		test(t, f, h)
	}
}

// failed fails the test unless err is of the given sentinel and outcome.
func failed(t testing.TB, what string, err, sentinel error, o outcome.Outcome) {
	t.Helper()
	if !errors.Is(err, sentinel) || outcome.Of(err) != o {
		t.Errorf("%s: got %v (%v), want %v (%v)", what, err, outcome.Of(err), sentinel, o)
	}
}

// census counts what happens to keys, by kind.
type census struct {
	mu                          sync.Mutex
	active, activated, failedTo map[string]int
	passivated, refused         map[string]int
}

var _ host.Observer = (*census)(nil)

func newCensus() *census {
	return &census{
		active: map[string]int{}, activated: map[string]int{}, failedTo: map[string]int{},
		passivated: map[string]int{}, refused: map[string]int{},
	}
}

func (c *census) add(m map[string]int, kind string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m[kind] += n
}

func (c *census) get(m map[string]int, kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m[kind]
}

func (c *census) Activated(kind string)         { c.add(c.activated, kind, 1) }
func (c *census) ActivationFailed(kind string)  { c.add(c.failedTo, kind, 1) }
func (c *census) Passivated(kind string)        { c.add(c.passivated, kind, 1) }
func (c *census) MailboxRefused(kind string)    { c.add(c.refused, kind, 1) }
func (c *census) KeyReturned(string)            {}
func (c *census) ActiveKeys(kind string, n int) { c.add(c.active, kind, n) }

// tally makes handler funcs that count: those made, and those that run at once
// for one key.
type tally struct {
	made    sync.Map // key -> *atomic.Int64
	overlap atomic.Bool
}

func (y *tally) madeOf(key string) *atomic.Int64 {
	n, _ := y.made.LoadOrStore(key, new(atomic.Int64))
	return n.(*atomic.Int64)
}

func (y *tally) create(key string) (transport.HandlerFunc, error) {
	y.madeOf(key).Add(1)
	var running atomic.Int64
	return func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if running.Add(1) > 1 {
			y.overlap.Store(true)
		}
		defer running.Add(-1)
		return []byte(key), nil
	}, nil
}
