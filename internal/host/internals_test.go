package host

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/outcome"
)

// What cannot be seen from outside without luck.

// simple is an entity that answers.
type simple struct{}

func (simple) Activate(*Context) error  { return nil }
func (simple) Handle(c *Context)        { c.Call().Reply(nil, nil) }
func (simple) Passivate(*Context) error { return nil }
func (simple) Drain(*Context) error     { return nil }
func (simple) Settings() Settings       { return Settings{} }
func (simple) Receive(pactor.Context)   {}

// answering is a call that says when it was answered.
type answering struct {
	quiet
	context.Context
	answered chan struct{}
}

func (a answering) Reply([]byte, error) { close(a.answered) }

func (a answering) Err() error {
	select {
	case <-a.answered:
		return context.Canceled
	default:
		return nil
	}
}

// TestWhoLostTheRaceFindsTheKey: a delivery that has seen no key may find that
// another has made it meanwhile.
func TestWhoLostTheRaceFindsTheKey(t *testing.T) {
	p := pool.New(-1)
	s := NewSystem(slog.New(slog.DiscardHandler), p)
	made := 0 // on the key's turn
	h := s.NewHost(Options{Factory: func(string) (Actor, error) { made++; return simple{}, nil }})
	shard := h.makeShard(0, false)
	for range 3 {
		a := answering{Context: t.Context(), answered: make(chan struct{})}
		if err := shard.deliverNew("k", &Context{call: a}); err != nil {
			t.Fatal(err)
		}
		<-a.answered
	}
	if n, m := h.Active(), len(h.ages.heap); n != 1 || m != 1 {
		t.Errorf("%d active, %d in the order of use, want the one key", n, m)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
	p.Close()
	if made != 1 {
		t.Errorf("%d were made", made)
	}
}

// TestQueueKeepsNoMessages that were taken, nor the room of a peak.
func TestQueueKeepsNoMessages(t *testing.T) {
	var q queue
	next := 0
	push := func() { q.push(next); next++ }
	for range 100 {
		push()
	}
	for popped := range 2000 {
		if m := q.pop(); m != popped {
			t.Fatalf("popped %v as number %d", m, popped)
		}
		push()
		kept := 0
		for _, m := range q.rest[:cap(q.rest)] {
			if m != nil {
				kept++
			}
		}
		if kept+1 != q.len() {
			t.Fatalf("%d messages are held, of %d in the queue", kept+1, q.len())
		}
	}
	if cap(q.rest) > 1000 {
		t.Errorf("room for %d messages, never more than 101 waited", cap(q.rest))
	}
	for q.pop() != nil {
	}
	if q.rest != nil {
		t.Error("an empty queue keeps its room")
	}
}

// TestNoLongerAllBusy: a host within its bound is not held to be all busy, or the
// next key would stop itself instead of the oldest.
func TestNoLongerAllBusy(t *testing.T) {
	p := pool.New(-1)
	defer p.Close()
	h := NewSystem(slog.New(slog.DiscardHandler), p).NewHost(Options{})
	h.bound.allBusy.Store(true) // by a search, while a key went
	h.bound.search()
	if h.bound.allBusy.Load() {
		t.Error("all busy, though within the bound")
	}
}

// TestAHookThatReturnsAtItsLimit is late, though its timer has not fired yet.
func TestAHookThatReturnsAtItsLimit(t *testing.T) {
	p := pool.New(-1)
	defer p.Close()
	h := NewSystem(slog.New(slog.DiscardHandler), p).NewHost(Options{})
	c := &cell{shard: &shard{host: h}, key: "k"}
	hook := beginHook(c, activation, time.Hour)
	waiting := refused{Context: t.Context(), why: make(chan error, 1)}
	c.mailbox.put(&Context{call: waiting, cell: c}, -1)
	<-contextOf(hook, time.Hour).Done()
	hook.end()
	select {
	case err := <-waiting.why:
		if !errors.Is(err, outcome.ErrActivationFailed) || !strings.Contains(err.Error(), errHookTimeout.Error()) {
			t.Errorf("who waits was told %v", err)
		}
	default:
		t.Error("who waits was not told")
	}
}

// TestClockIsBehindAHook: a hook returns at its limit, and makes itself late, just before the clock calls Expire. That is no hook that goes
// on.
func TestClockIsBehindAHook(t *testing.T) {
	p := pool.New(-1)
	defer p.Close()
	var log strings.Builder
	h := NewSystem(slog.New(slog.NewTextHandler(&log, nil)), p).NewHost(Options{})
	c := &cell{shard: &shard{host: h}, key: "k"}
	hook := beginHook(c, passivation, time.Hour)
	<-contextOf(hook, time.Hour).Done()
	hook.expire()
	hook.Expire()
	hook.end()
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "returned after its time limit") {
		t.Errorf("the log has %q", log.String())
	}
}

// contextOf is a hook's context that began so long ago.
func contextOf(h *hook, ago time.Duration) context.Context {
	h.began = h.began.Add(-ago)
	return h
}

// refused is a call that notes why it has failed.
type refused struct {
	quiet
	context.Context
	why chan error
}

func (r refused) Fail(err *outcome.Error) { r.why <- err }
