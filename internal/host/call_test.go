package host_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// patience bounds waits that only a bug makes long.
const patience = 30 * time.Second

// call is a sender that counts what it is told: each message must be answered
// exactly once, and ended if it was started.
type call struct {
	stopHook turn.Role // that waits for it
	waiting  *host.Turn
	context.Context
	cancel context.CancelFunc
	msg    host.Message
	notify bool
	gone   bool // Start refuses: the sender has left

	answered chan struct{} // closed by the first answer
	ended    chan struct{} // closed by End

	mu      sync.Mutex
	answers int
	data    []byte
	err     error
	panic   any
	starts  int
	ends    int
	after   func()
}

var _ host.Call = (*call)(nil)

func newCall() *call {
	c := &call{answered: make(chan struct{}), ended: make(chan struct{})}
	c.Context, c.cancel = context.WithCancel(context.Background())
	return c
}

func (c *call) Start(pool.Slot) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.answers > 0 || c.Err() != nil {
		return false
	}
	c.starts++
	return true
}

func (c *call) answer(data []byte, err error, panicked any) {
	c.mu.Lock()
	c.answers++
	first := c.answers == 1
	after := c.after
	c.after = nil
	if first {
		c.data, c.err, c.panic = append([]byte(nil), data...), err, panicked
		c.cancel()
	}
	c.mu.Unlock()
	if after != nil {
		after()
	}
	if first {
		close(c.answered)
	}
}

func (c *call) Reply(data []byte, err error)   { c.answer(data, err, nil) }
func (c *call) ReplyOwned(data []byte)         { c.answer(data, nil, nil) }
func (c *call) Fail(err *outcome.Error)        { c.answer(nil, err, nil) }
func (c *call) Panicked(value any)             { c.answer(nil, nil, value) }
func (c *call) Age() time.Duration             { return 0 }
func (c *call) Wait(f func())                  { f() }
func (c *call) Message() host.Message          { return c.msg }
func (c *call) Data() []byte                   { return c.msg.Data }
func (c *call) Borrow() []byte                 { return c.msg.Data }
func (c *call) Plain(*plain.Type) *plain.Value { return nil }
func (c *call) Wants(*plain.Type) bool         { return false }
func (c *call) ReplyValue(plain.Value)         { panic("it was not wanted") }
func (c *call) AwaitsReply() bool              { return !c.notify }
func (c *call) OnDrain(func())                 {}
func (c *call) Given()                         {}
func (c *call) NoEffect(bool) bool             { return false }
func (c *call) HandBack() bool                 { return false }
func (c *call) Spent() host.Past               { return nil }
func (c *call) EndLast()                       { c.End() }
func (c *call) IsAlone() bool                  { return false }
func (c *call) Past() host.Past                { return nil }
func (c *call) EndAlone() bool                 { return false }
func (c *call) Waiting() *host.Turn            { return c.waiting }
func (c *call) StopHook() turn.Role            { return c.stopHook }
func (c *call) Turn() *host.Turn               { return nil }
func (c *call) Queued(host.Place)              {}

func (c *call) AfterAnswer(f func()) {
	c.mu.Lock()
	if c.answers == 0 {
		if first, next := c.after, f; first != nil {
			f = func() { first(); next() }
		}
		c.after, f = f, nil
	}
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

func (c *call) End() {
	c.mu.Lock()
	c.ends++
	first := c.ends == 1
	c.mu.Unlock()
	if first {
		close(c.ended)
	}
}

// wait returns the answer.
func (c *call) wait(t testing.TB) (string, error) {
	t.Helper()
	await(t, c.answered, "an answer")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.panic != nil {
		return "", panicError{c.panic}
	}
	return string(c.data), c.err
}

// settled returns the answer once the handler has ended too.
func (c *call) settled(t testing.TB) (string, error) {
	t.Helper()
	s, err := c.wait(t)
	await(t, c.ended, "the handler's end")
	return s, err
}

// check fails the test unless the call was answered once, and ended if started.
func (c *call) check(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers != 1 || c.starts > 1 || c.ends != c.starts {
		t.Errorf("%d answers, %d starts, %d ends; want one answer, and an end for the start", c.answers, c.starts, c.ends)
	}
}

type panicError struct{ value any }

func (panicError) Error() string { return "panicked" }

// await fails the test if ch is not closed, or gives nothing, in time.
func await[T any](t testing.TB, ch <-chan T, what string) (v T) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v = <-ch:
	case <-timer.C:
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// eventually fails the test if cond does not become true in time. It is for
// what no channel tells: numbers that other goroutines settle.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-timer.C:
			t.Fatalf("did not become true: %s", what)
		}
	}
}

// world is a host and all that it needs.
type world struct {
	testing.TB
	*host.Host
	system *host.System
	pool   *pool.Pool
}

// Deliver is the host's, for errors.Is.
func (w *world) Deliver(shard uint32, key string, c host.Call) error {
	if err := w.Host.Deliver(shard, key, c); err != nil {
		return err
	}
	return nil
}

// isStuck reports whether a key has refused a message because a hook of the key takes too long.
func isStuck(err error) bool {
	after, _ := outcome.RetryAfter(err)
	return errors.Is(err, outcome.ErrOverloaded) && after == time.Second
}

func newWorld(t testing.TB, opts host.Options) *world {
	return newWorldOn(t, opts, slog.New(slog.DiscardHandler), -1)
}

func newWorldOn(t testing.TB, opts host.Options, log *slog.Logger, limit int) *world {
	t.Helper()
	w := &world{TB: t, pool: pool.New(limit)}
	w.system = host.NewSystem(log, w.pool)
	w.Host = w.system.NewHost(opts)
	t.Cleanup(w.end)
	return w
}

// end stops everything and waits for it.
func (w *world) end() {
	w.Helper()
	w.stop()
	w.system.Close()
	w.pool.Close()
}

func (w *world) stop() {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		w.Errorf("Stop: %v", err)
	}
}

// send delivers a message of the given type to a key of shard 0.
func (w *world) send(key, typ string) *call { w.Helper(); return w.sendData(key, typ, nil) }

func (w *world) sendData(key, typ string, data []byte) *call {
	w.Helper()
	c := newCall()
	w.deliver(0, key, c, host.Message{Type: typ, Key: key, Data: data})
	return c
}

func (w *world) deliver(shard uint32, key string, c *call, m host.Message) {
	w.Helper()
	c.msg = m
	err := w.Deliver(shard, key, c)
	switch {
	case errors.Is(err, outcome.ErrActivationFailed): // its key is not tried again yet
		c.answer(nil, err, nil)
	case err != nil:
		w.Errorf("Deliver to %q: %v", key, err)
	}
}

// ask sends and waits for the answer and the handler's end.
func (w *world) ask(key, typ string) (string, error) {
	w.Helper()
	return w.send(key, typ).settled(w)
}

// want is ask for an answer that the test knows.
func (w *world) want(key, typ, answer string) {
	w.Helper()
	got, err := w.ask(key, typ)
	if err != nil || got != answer {
		w.Errorf("%q to %q: got %q, %v; want %q", typ, key, got, err, answer)
	}
}

// processes counts what protoactor's registry holds.
func (w *world) processes() (n int) {
	for _, m := range w.system.Proto().ProcessRegistry.LocalPIDs.LocalPIDs {
		n += m.Count()
	}
	return n
}

// entity is an host.Entity of funcs; nil ones do nothing.
type entity struct {
	activate  func(*host.Context) error
	handle    func(*host.Context)
	passivate func(*host.Context)
	receive   func(pactor.Context)
}

var _ host.Entity = (*entity)(nil)

func (e *entity) Activate(c *host.Context) error {
	if e.activate == nil {
		return nil
	}
	return e.activate(c)
}

func (e *entity) Handle(c *host.Context) {
	if e.handle == nil {
		c.Call().Reply(nil, nil)
		return
	}
	e.handle(c)
}

func (e *entity) Passivate(c *host.Context) error {
	if e.passivate != nil {
		e.passivate(c)
	}
	return nil
}

func (*entity) Drain(*host.Context) error { return nil }
func (*entity) Settings() host.Settings   { return host.Settings{} }

func (e *entity) Receive(ctx pactor.Context) {
	if e.receive != nil {
		e.receive(ctx)
	}
}

// making is a factory of entities that share nothing with the test but f.
func making(f func(key string) *entity) func(string) (host.Actor, error) {
	return func(key string) (host.Actor, error) { return f(key), nil }
}
