package natstransport_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// patience bounds every wait; a test that passes never uses it up.
const patience = 30 * time.Second

// patient is a context that only a failing test sees the end of: what must fail
// at once fails long before it.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial makes a connection of nats.go's that ends with the test.
func dial(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// soon reconnects without a pause.
func soon() []nats.Option {
	return []nats.Option{nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0)}
}

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

func echo(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }

// serve subscribes a shard.
func serve(t testing.TB, tr *natstransport.Transport, shard uint32, h transport.HandlerFunc) *dispatch.Sub {
	t.Helper()
	sub, err := tr.SubscribeShard(patient(t), shard, h)
	if err != nil {
		t.Fatalf("SubscribeShard(%d): %v", shard, err)
	}
	return sub.(*dispatch.Sub)
}

// want requires a reply.
func want(t testing.TB, tr *natstransport.Transport, env transport.Envelope, reply string) {
	t.Helper()
	if got, err := tr.Request(patient(t), env); err != nil || string(got) != reply {
		t.Fatalf("%s: reply %q, %v; want %q", env.Type, got, err, reply)
	}
}

// refused requires an error with its outcome that came by itself.
func refused(t testing.TB, tr *natstransport.Transport, env transport.Envelope, is error, o outcome.Outcome) {
	t.Helper()
	ctx := patient(t)
	_, err := tr.Request(ctx, env)
	if ctx.Err() != nil {
		t.Fatalf("%s: waited for %v: %v", env.Type, patience, err)
	}
	failed(t, err, is, o)
}

func failed(t testing.TB, err, is error, o outcome.Outcome) {
	t.Helper()
	if !errors.Is(err, is) || outcome.Of(err) != o {
		t.Fatalf("error %v (%v); want %v (%v)", err, outcome.Of(err), is, o)
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
		panic("unreachable")
	}
}

// eventually asks again and again until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for giveUp := time.After(patience); !ok(); {
		select {
		case <-again.C:
		case <-giveUp:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// result is what a request returned.
type result struct {
	data []byte
	err  error
}

// start sends a request on a goroutine that ends with it.
func start(ctx context.Context, tr *natstransport.Transport, env transport.Envelope) <-chan result {
	done := make(chan result, 1)
	go func() {
		data, err := tr.Request(ctx, env)
		done <- result{data, err}
	}()
	return done
}
