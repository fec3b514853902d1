package host_test

import (
	"context"
	"log/slog"
	"runtime"
	"strconv"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/state"
)

// till is a durable entity.
type till struct {
	entity
	N int64
}

func (e *till) Durable() (any, *persist.Options) { return &e.N, &persist.Options{} }

// keeps holds what the host has to be told of the commits that it is given.
type keeps struct{ done []func(state.Rev, error) }

func (*keeps) Read(context.Context, uint32, state.Range) ([]state.Entry, bool, error) {
	return nil, false, nil
}

func (k *keeps) Commit(_ uint32, _ state.Change, done func(state.Rev, error)) {
	k.done = append(k.done, done)
}

// inFlight begins n commits that the store has yet to answer, each of a key of its own, and returns their
// calls. held is called before the first.
func inFlight(t testing.TB, k *keeps, n int, held func()) []*call {
	w := newWorldOn(t, host.Options{Kind: "till", Keeper: k, CacheSize: -1, Factory: func(string) (host.Actor, error) {
		e := &till{}
		e.handle = func(c *host.Context) {
			if c.Message().Type == "put" {
				e.N++
			}
			c.Respond(e.N)
		}
		return e, nil
	}}, slog.New(slog.DiscardHandler), 1)
	calls := make([]*call, n)
	for i := range calls {
		w.ask(strconv.Itoa(i), "look")
		calls[i] = newCall()
		calls[i].msg = host.Message{Type: "put"}
	}
	held()
	for i, c := range calls {
		if err := w.Deliver(0, strconv.Itoa(i), c); err != nil {
			t.Fatal(err)
		}
		await(t, c.ended, "the turn")
	}
	return calls
}

// settle has the store take all, and waits for the answers.
func (k *keeps) settle(t testing.TB, calls []*call) {
	for _, done := range k.done {
		done(1, nil)
	}
	for _, c := range calls {
		if _, err := c.settled(t); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCommitsHoldNoGoroutine while they are on their way, and no reply leaves before.
func TestCommitsHoldNoGoroutine(t *testing.T) {
	const n, few = 1000, 50 // the pool's own goroutines come and go
	k, before := &keeps{}, 0
	calls := inFlight(t, k, n, func() { before = runtime.NumGoroutine() })
	if held := runtime.NumGoroutine() - before; len(k.done) != n || held > few {
		t.Errorf("%d commits are on their way and hold %d goroutines", len(k.done), held)
	}
	k.settle(t, calls)
}

// BenchmarkInFlight reports what 10,000 commits hold that a store has yet to answer, beside the
// calls themselves: their replies and states too. What the keeper holds is measured there.
func BenchmarkInFlight(b *testing.B) {
	const n = 10_000
	k := &keeps{done: make([]func(state.Rev, error), 0, n)}
	goroutines, before := 0, uint64(0)
	calls := inFlight(b, k, n, func() { goroutines, before = runtime.NumGoroutine(), heapInUse() })
	b.ReportMetric(float64(heapInUse()-before)/n, "B/commit")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
	k.settle(b, calls)
}
