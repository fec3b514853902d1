// A pair of transports, and what tests ask of it

package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// pair is a Pair that ends with its test.
type pair struct {
	Pair
	s *suite
}

// result is what a request returned.
type result struct {
	data []byte
	err  error
}

// serve subscribes a shard.
func (p pair) serve(shard uint32, h transport.HandlerFunc) transport.Subscription {
	p.s.Helper()
	sub, err := p.Server.SubscribeShard(p.s.patient(), shard, h)
	if err != nil {
		p.s.Fatalf("SubscribeShard(%d): %v", shard, err)
	}
	return sub
}

// request sends env, and requires that the call ends by itself.
func (p pair) request(env transport.Envelope) ([]byte, error) {
	p.s.Helper()
	ctx := p.s.patient()
	reply, err := p.Client.Request(ctx, env)
	if ctx.Err() != nil {
		p.s.Fatalf("%s: waited for %v: %v", env.Type, patience, err)
	}
	return reply, err
}

// want sends env and requires the reply.
func (p pair) want(env transport.Envelope, reply string) {
	p.s.Helper()
	got, err := p.request(env)
	if err != nil || string(got) != reply {
		p.s.Fatalf("%s: reply %q, %v; want %q", env.Type, got, err, reply)
	}
}

// accepted sends env as a notification, and requires that it is accepted.
func (p pair) accepted(env transport.Envelope) {
	p.s.Helper()
	env.Delivery = transport.AwaitAccept
	if _, err := p.request(env); err != nil {
		p.s.Fatalf("%s was not accepted: %v", env.Type, err)
	}
}

// start sends env on a goroutine that ends with the request, which ctx bounds.
func (p pair) start(ctx context.Context, env transport.Envelope) <-chan result {
	done := make(chan result, 1)
	go func() {
		data, err := p.Client.Request(ctx, env)
		done <- result{data, err}
	}()
	return done
}

// refusing waits until a shard refuses requests as not started.
func (p pair) refusing(shard int) {
	p.s.Helper()
	p.s.eventually("refusal", func() bool {
		_, err := p.request(transport.Envelope{Shard: shard, Type: "Probe"})
		if err != nil && !outcome.Of(err).NeverRan() {
			p.s.Fatalf("refused with %v, outcome %v", err, outcome.Of(err))
		}
		return err != nil
	})
}

// held is a shard with one handler that is held at the gate, and its request.
func (p pair) held(shard uint32) (sub transport.Subscription, hold *gate, call <-chan result) {
	p.s.Helper()
	hold = p.s.gate()
	entered := make(chan struct{}, 1)
	sub = p.serve(shard, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Held" {
			entered <- struct{}{}
			<-hold.c
		}
		return []byte("done"), nil
	})
	call = p.start(p.s.patient(), transport.Envelope{Shard: int(shard), Type: "Held"})
	receive(p.s, "the handler", entered)
	return sub, hold, call
}

// limited makes a lifetime as a node has it, with a limit on its calls in flight, and
// serves shards with it.
func (p pair) limited(most int, h transport.HandlerFunc, shards ...uint32) {
	p.s.Helper()
	life := dispatch.NewLifetime(slog.New(slog.DiscardHandler), dispatch.DispatcherOf(p.Server))
	life.LimitInFlight(most)
	for _, shard := range shards {
		if _, err := p.Server.SubscribeShard(life.Context(), shard, h); err != nil {
			p.s.Fatal(err)
		}
	}
	p.s.Cleanup(func() { _ = life.End() })
}

// failures makes a lifetime as a node has it. It returns the codes that the lifetime
// was told of.
func (p pair) failures() (life *dispatch.Lifetime, codes <-chan string, log *bytes.Buffer) {
	told := make(chan string, 64)
	log = new(bytes.Buffer)
	life = dispatch.NewLifetime(slog.New(slog.NewTextHandler(log, nil)), dispatch.DispatcherOf(p.Server))
	life.ObserveFailed(func(err *outcome.Error) { told <- err.Code })
	return life, told, log
}

// callAll makes every call of a tally, 64 callers at once, each with a deadline
// that may come at any point of its way.
func (p pair) callAll(longest time.Duration, wrong func(id uint32, reply []byte, err error)) {
	var all sync.WaitGroup
	for caller := range outcomeCallers {
		all.Go(func() {
			for i := range outcomeCalls {
				id := uint32(caller*outcomeCalls + i)
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(longest))
				reply, err := p.Client.Request(ctx, transport.Envelope{
					Shard: int(id % 4), Type: "Tally", Data: binary.BigEndian.AppendUint32(nil, id),
				})
				wrong(id, reply, err)
				cancel()
			}
		})
	}
	all.Wait()
}

// weighed is a lifetime as a node has it, with bounds on bytes, that serves shards.
func (p pair) weighed(node, key int, h transport.HandlerFunc, shards ...uint32) {
	p.s.Helper()
	life := dispatch.NewLifetime(slog.New(slog.DiscardHandler), dispatch.DispatcherOf(p.Server))
	life.LimitBytes(node, key)
	for _, shard := range shards {
		if _, err := p.Server.SubscribeShard(life.Context(), shard, h); err != nil {
			p.s.Fatal(err)
		}
	}
	p.s.Cleanup(func() { _ = life.End() })
}

// tooHeavy requires that both kinds of messages are refused, with a hint.
func (p pair) tooHeavy(env transport.Envelope) {
	p.s.Helper()
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		env.Delivery = delivery
		_, err := p.request(env)
		p.s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
		if after, ok := outcome.RetryAfter(err); !ok || after <= 0 {
			p.s.Errorf("RetryAfter %v, %v", after, ok)
		}
	}
}

// wantSoon sends env until it is not refused because others have not quite finished.
func (p pair) wantSoon(env transport.Envelope) {
	p.s.Helper()
	p.s.eventually(env.Type+" is taken", func() bool {
		_, err := p.request(env)
		if err != nil {
			p.s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
		}
		return err == nil
	})
}
