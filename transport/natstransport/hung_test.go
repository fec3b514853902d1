package natstransport_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// soonEnough is the deadline of calls that a network that hangs does not take.
const soonEnough = 300 * time.Millisecond

// never gives up what the network does not take, while a test lasts: a call that
// waits for that fails it.
var never = nats.FlusherTimeout(time.Hour)

// fill sends notifications to a shard until the network and the queue before it
// take no more.
func fill(t *testing.T, tr *natstransport.Transport, shard int) {
	t.Helper()
	env := transport.Envelope{Shard: shard, Type: "Fill", Data: make([]byte, 512<<10), Delivery: transport.AwaitNothing}
	for refused := 0; refused < 2; {
		ctx, cancel := context.WithTimeout(context.Background(), soonEnough)
		r := receive(t, "a notification", start(ctx, tr, env))
		cancel()
		if refused++; r.err == nil {
			refused = 0
			continue
		}
		failed(t, r.err, context.DeadlineExceeded, outcome.NotSent)
	}
}

// A network that hangs takes nothing, and tells nobody. Each caller leaves at its
// deadline all the same, and is told what is true; when the network goes on, so
// does all.
func TestHungNetwork(t *testing.T) {
	url := testkit.StartNATS(t)
	p := startProxy(t, url)
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: p.url(), NATSOptions: []nats.Option{never}})
	var ran atomic.Int32
	handler := func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Never" {
			ran.Add(1)
		}
		return env.Data, nil
	}
	for shard := range uint32(2) {
		serve(t, node, shard, handler)
		want(t, client, transport.Envelope{Shard: int(shard), Type: "Echo", Data: []byte("x")}, "x")
	}
	p.freeze()
	t.Cleanup(p.thaw) // before the transports are closed
	fill(t, client, 1)
	var calls []<-chan result
	for i := range 120 {
		env := transport.Envelope{Shard: i % 2, Type: "Never", Delivery: transport.Delivery(i / 2 % 2)}
		ctx, cancel := context.WithTimeout(context.Background(), soonEnough)
		defer cancel()
		if i%3 == 0 {
			ctx, env.TTLMs = context.Background(), soonEnough.Milliseconds()
		}
		calls = append(calls, start(ctx, client, env))
	}
	for i, call := range calls {
		is := context.DeadlineExceeded
		if i%3 == 0 {
			is = outcome.ErrEnvelopeExpired
		}
		failed(t, receive(t, "a call", call).err, is, outcome.NotSent)
	}
	p.thaw()
	for shard := range 2 {
		want(t, client, transport.Envelope{Shard: shard, Type: "Echo", Data: []byte("x")}, "x")
	}
	if n := ran.Load(); n != 0 {
		t.Errorf("%d calls ran that were told that they were not sent", n)
	}
	if n := client.OpenCalls(); n != 0 {
		t.Errorf("%d calls are open", n)
	}
}

// Of the requests that a network that hangs has taken in part, none runs that was
// called not sent.
func TestHungNetworkOutcomes(t *testing.T) {
	const calls = 100
	url := testkit.StartNATS(t)
	p := startProxy(t, url)
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: p.url(), NATSOptions: []nats.Option{never}})
	var ran sync.Map
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		ran.Store(env.NumShards, true)
		return nil, nil
	})
	want(t, client, transport.Envelope{}, "")
	p.freeze()
	t.Cleanup(p.thaw) // before the transports are closed
	told := map[outcome.Outcome][]uint32{}
	for last := uint32(0); len(told[outcome.MaybeRan]) == 0; { // a busy machine may not write the first of them in time
		ctx, cancel := context.WithTimeout(context.Background(), soonEnough)
		defer cancel()
		results := map[uint32]<-chan result{}
		for range calls {
			last++
			results[last] = start(ctx, client, transport.Envelope{NumShards: last, Data: make([]byte, 256<<10)})
		}
		for i, r := range results {
			err := receive(t, "a request", r).err
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%v", err)
			}
			told[outcome.Of(err)] = append(told[outcome.Of(err)], i)
		}
	}
	if len(told[outcome.NotSent]) == 0 || len(told) != 2 {
		t.Fatalf("%v", told)
	}
	p.thaw()
	want(t, client, transport.Envelope{}, "")
	for _, i := range told[outcome.NotSent] {
		if _, ok := ran.Load(i); ok {
			t.Errorf("request %d has run", i)
		}
	}
}

// A connection that takes nothing for long is made anew: what was on its way is
// lost with it, and the rest goes on.
func TestHungConnectionIsMadeAnew(t *testing.T) {
	url := testkit.StartNATS(t)
	p := startProxy(t, url)
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: p.url(), NATSOptions: append(soon(), nats.FlusherTimeout(50*time.Millisecond))})
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	t.Cleanup(func() { close(hold) })
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Hold" {
			entered <- struct{}{}
			<-hold
		}
		return env.Data, nil
	})
	call := start(context.Background(), client, transport.Envelope{Type: "Hold"})
	receive(t, "the handler", entered)
	p.freeze()
	t.Cleanup(p.thaw) // before the transports are closed
	env := transport.Envelope{Type: "Fill", Data: make([]byte, 512<<10), Delivery: transport.AwaitNothing}
	for waits := true; waits; {
		_, err := client.Request(patient(t), env)
		if err != nil {
			failed(t, err, outcome.ErrDisconnected, outcome.NotSent)
		}
		select {
		case r := <-call:
			failed(t, r.err, outcome.ErrConnectionLost, outcome.MaybeRan)
			waits = false
		default:
		}
	}
	eventually(t, "the connection is back", func() bool {
		reply, err := client.Request(patient(t), transport.Envelope{Type: "Echo", Data: []byte("x")})
		return err == nil && string(reply) == "x"
	})
}

// Close ends although the network takes nothing, on a connection of its own and
// on one that was given.
func TestCloseOnHungNetwork(t *testing.T) {
	testkit.CheckLeaks(t)
	url := testkit.StartNATS(t)
	for _, given := range []bool{false, true} {
		p := startProxy(t, url)
		opts := natstransport.Options{Log: silent, AlwaysOverNATS: true, Prefix: fmt.Sprint("given-", given)} // the server holds the first for alive
		limits := append(soon(), nats.FlusherTimeout(time.Second), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if given {
			opts.Conn = dial(t, p.url(), limits...)
		} else {
			opts.URL, opts.NATSOptions = p.url(), limits
		}
		tr := connect(t, opts)
		serve(t, tr, 0, echo)
		want(t, tr, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
		p.freeze()
		t.Cleanup(p.thaw) // before the transports are closed
		env := transport.Envelope{Data: make([]byte, 512<<10), Delivery: transport.AwaitNothing}
		eventually(t, "the network takes no more", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), soonEnough)
			defer cancel()
			_, err := tr.Request(ctx, env)
			return errors.Is(err, context.DeadlineExceeded)
		})
		waits := start(context.Background(), tr, env)
		done := make(chan error, 1)
		go func() { done <- tr.Close() }()
		if err := receive(t, "Close", done); err != nil {
			t.Error(err)
		}
		receive(t, "a sender that waited", waits)
	}
}

// Handlers do not wait for the network that takes their replies.
func TestHandlersOnHungNetwork(t *testing.T) {
	const calls = 60
	url := testkit.StartNATS(t)
	p := startProxy(t, url)
	node := connect(t, natstransport.Options{URL: p.url(), MaxConcurrentHandlers: 1, NATSOptions: []nats.Option{never}})
	client := connect(t, natstransport.Options{URL: url})
	var ran atomic.Int32
	serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) {
		ran.Add(1)
		return make([]byte, 512<<10), nil
	})
	client.HoldShard(0)() // it knows the owner
	frozen := time.Now()
	p.freeze()
	t.Cleanup(p.thaw) // before the transports are closed
	var all []<-chan result
	for range calls {
		all = append(all, start(patient(t), client, transport.Envelope{Type: "Grow"}))
	}
	eventually(t, "all handlers have run", func() bool { return ran.Load() == calls })
	p.thaw()
	for _, call := range all {
		r := receive(t, "a reply", call)
		if errors.Is(r.err, outcome.ErrConnectionLost) && time.Since(frozen) > 2500*time.Millisecond {
			continue // on a machine this busy the client takes the node for dead, as it should: its replies came too late
		}
		if r.err != nil || len(r.data) != 512<<10 {
			t.Errorf("%d bytes, %v", len(r.data), r.err)
		}
	}
}
