package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// serve subscribes shard 0 of a new in-process transport.
func serve(h transport.HandlerFunc, opts memtransport.Options) *memtransport.Transport {
	tr := memtransport.New(opts).WithLog(slog.New(slog.DiscardHandler))
	if _, err := tr.SubscribeShard(context.Background(), 0, h); err != nil {
		panic(err)
	}
	return tr
}

// A message in, a reply out: all that a transport does.
func Example() {
	tr := serve(func(_ context.Context, env transport.Envelope) ([]byte, error) {
		trace, _ := env.GetHeader("trace")
		return fmt.Appendf(nil, "%s of %s, trace %s: %s", env.Type, env.Key, trace, env.Data), nil
	}, memtransport.Options{})
	defer tr.Close()

	env := transport.Envelope{Shard: 0, Type: "Rename", Key: "user-123", Data: []byte("Ada")}
	for _, option := range []transport.EnvelopeOption{transport.WithHeader("trace", "42"), transport.WithTTL(5 * time.Second)} {
		option(&env)
	}
	reply, err := tr.Request(context.Background(), env)
	fmt.Println(string(reply), err)
	// Output: Rename of user-123, trace 42: Ada <nil>
}

// An error says whether the work can have been done: only the caller of a call
// that never ran may try again without a second thought.
func Example_outcome() {
	tr := serve(func(_ context.Context, env transport.Envelope) ([]byte, error) {
		switch env.Type {
		case "Fail":
			return nil, errors.New("out of stock")
		case "Panic":
			panic("a bug")
		}
		return nil, nil
	}, memtransport.Options{})
	defer tr.Close()

	for _, env := range []transport.Envelope{
		{Shard: 0, Type: "Get"},
		{Shard: 0, Type: "Fail"},
		{Shard: 0, Type: "Panic"},
		{Shard: 1, Type: "Get"},
		{Shard: 0, Type: "Get", Headers: map[string]string{"X-Clstr-Key": "mine"}},
	} {
		_, err := tr.Request(context.Background(), env)
		o := outcome.Of(err)
		fmt.Printf("%s to shard %d: %v; may be tried again: %v\n", env.Type, env.Shard, o, o.NeverRan())
	}
	// Output:
	// Get to shard 0: succeeded; may be tried again: false
	// Fail to shard 0: ran and failed; may be tried again: false
	// Panic to shard 0: maybe ran; may be tried again: false
	// Get to shard 1: not started; may be tried again: true
	// Get to shard 0: not sent; may be tried again: true
}

// LimitError is an error with fields. Both programs register it.
type LimitError struct{ Limit, Asked int }

func (e *LimitError) Error() string { return fmt.Sprintf("%d asked, %d allowed", e.Asked, e.Limit) }

func init() { outcome.RegisterErrorType[*LimitError]("example.limit") }

// A registered error keeps its identity and its fields on every transport.
func Example_registeredErrorType() {
	tr := serve(func(context.Context, transport.Envelope) ([]byte, error) {
		return nil, fmt.Errorf("withdraw: %w", &LimitError{Limit: 100, Asked: 250})
	}, memtransport.Options{})
	defer tr.Close()

	_, err := tr.Request(context.Background(), transport.Envelope{Shard: 0, Type: "Withdraw"})
	if e, ok := errors.AsType[*LimitError](err); ok {
		fmt.Println("at most", e.Limit)
	}
	fmt.Println(err)
	fmt.Println(outcome.CodeOf(err))
	// Output:
	// at most 100
	// withdraw: 250 asked, 100 allowed
	// example.limit
}

// A bound that is reached is a refusal at once, which says when to try again.
func ExampleRetryAfter() {
	started, finish := make(chan struct{}), make(chan struct{})
	tr := serve(func(context.Context, transport.Envelope) ([]byte, error) {
		close(started)
		<-finish
		return nil, nil
	}, memtransport.Options{MaxPending: 1})
	defer tr.Close()

	first := make(chan error)
	go func() { // ends with its reply
		_, err := tr.Request(context.Background(), transport.Envelope{Shard: 0, Type: "Slow"})
		first <- err
	}()
	<-started
	_, err := tr.Request(context.Background(), transport.Envelope{Shard: 0, Type: "Slow"})
	after, ok := outcome.RetryAfter(err)
	fmt.Println(errors.Is(err, outcome.ErrOverloaded), after, ok)
	close(finish)
	fmt.Println(<-first)
	// Output:
	// true 10ms true
	// <nil>
}
