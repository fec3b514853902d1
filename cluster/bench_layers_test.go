package cluster_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// BenchmarkLayers is a request of 64 raw bytes, and a notification, on more and more of the way to a key: what a row
// takes beyond the row before is what that layer costs.
func BenchmarkLayers(b *testing.B) {
	ctx := context.Background()
	b.Run("request", func(b *testing.B) {
		b.Run("1-channels", func(b *testing.B) { // two changes between goroutines
			asks, replies := make(chan []byte, 1), make(chan []byte, 1)
			go func() { // ends with the benchmark
				for m := range asks {
					replies <- m
				}
			}()
			fromOne(b, func() error { asks <- payload; <-replies; return nil })
			close(asks)
		})
		b.Run("2-pool", func(b *testing.B) { // a bound on what runs, and goroutines that are used again
			p := pool.New(100)
			b.Cleanup(p.Close)
			t := replying(make(chan struct{}, 1))
			fromOne(b, func() error { p.Go(t); <-t; return nil })
		})
		b.Run("3-call", func(b *testing.B) { // copies, bounds, deadlines, drains, answered exactly once
			s, env := benchSub(b, &answers{pool: pool.New(100)}), benchEnvelope(transport.AwaitReply)
			fromOne(b, func() error { env.Stamp(); _, err := s.Do(ctx, env); return err })
		})
		b.Run("4-key", func(b *testing.B) { // one actor for each key, with its mailbox
			_, tr := benchNode(b, rawKeys(does{}))
			env := benchEnvelope(transport.AwaitReply)
			fromOne(b, func() error { env.Stamp(); _, err := tr.Request(ctx, env); return err })
		})
		b.Run("5-client", func(b *testing.B) { // which shard, and tries again
			key := benchCluster(b, rawKeys(does{})).Key("user-1")
			fromOne(b, func() error { _, err := key.RequestRaw(ctx, "Echo", payload); return err })
		})
	})
	b.Run("tell", func(b *testing.B) {
		run := func(name string, begin func(b *testing.B, w *windows) (send func() error)) {
			b.Run(name, func(b *testing.B) {
				var w windows
				send := begin(b, &w)
				w.run(b, 1, func(int) error { return send() })
			})
		}
		run("1-channel", func(b *testing.B, w *windows) func() error {
			notes := make(chan []byte, window)
			go func() { // ends with the benchmark
				for range notes {
					w.handled()
				}
			}()
			b.Cleanup(func() { close(notes) })
			return func() error { notes <- bytes.Clone(payload); return nil }
		})
		run("3-call", func(b *testing.B, w *windows) func() error {
			s, env := benchSub(b, &answers{pool: pool.New(1), note: w.handled}), benchEnvelope(transport.AwaitNothing)
			return func() error { env.Stamp(); _, err := s.Do(ctx, env); return err }
		})
		run("4-key", func(b *testing.B, w *windows) func() error {
			_, tr := benchNode(b, rawKeys(does{note: w.handled}))
			env := benchEnvelope(transport.AwaitNothing)
			env.Type = "Note"
			return func() error { env.Stamp(); _, err := tr.Request(ctx, env); return err }
		})
		run("5-client", func(b *testing.B, w *windows) func() error {
			key := benchCluster(b, rawKeys(does{note: w.handled})).Key("user-1")
			return func() error { return key.NotifyRaw(ctx, "Note", payload, cluster.WithoutAck()) }
		})
	})
}

func benchEnvelope(d transport.Delivery) (env transport.Envelope) {
	shard := sharding.Layout{NumShards: 64}.Shard("user-1")
	env = transport.Envelope{Shard: int(shard), Type: "Echo", Key: "user-1", Data: payload, Delivery: d}
	env.Stamp()
	return env
}

func benchSub(b *testing.B, a *answers) *dispatch.Sub {
	b.Helper()
	d := dispatch.NewDispatcher(transport.Limits{MaxPending: -1}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	s, err := d.Subscribe(context.Background(), dispatch.Subscriber{Receiver: a})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = d.Close()
		a.pool.Close()
	})
	return s
}

// replying is a task that says that it has run.
type replying chan struct{}

func (r replying) Run(pool.Slot) { r <- struct{}{} }

// answers answers each call on a pool, in a turn of its own.
type answers struct {
	pool *pool.Pool
	note func()

	mu    sync.Mutex
	calls []*dispatch.Call
	runs  bool
}

// Accept implements [dispatch.Receiver].
func (a *answers) Accept(c *dispatch.Call) {
	a.mu.Lock()
	a.calls = append(a.calls, c)
	runs := !a.runs
	a.runs = true
	a.mu.Unlock()
	if runs {
		a.pool.Go(a)
	}
}

// Run implements [pool.Task].
func (a *answers) Run(slot pool.Slot) {
	for {
		a.mu.Lock()
		calls := a.calls
		a.calls, a.runs = nil, len(calls) > 0
		a.mu.Unlock()
		if len(calls) == 0 {
			return
		}
		for _, c := range calls {
			if !c.Start(slot) {
				continue
			}
			if c.AwaitsReply() {
				c.Reply(c.Own().Data, nil)
			} else {
				a.note()
				c.Reply(nil, nil)
			}
			if dispatch.Spent(c) != nil {
				dispatch.EndLast(c)
			} else {
				c.End()
			}
		}
	}
}
