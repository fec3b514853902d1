package memtransport_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

func Example() {
	tr := memtransport.New(memtransport.Options{})
	defer tr.Close()
	ctx := context.Background()
	sub, err := tr.SubscribeShard(ctx, 7, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		return append([]byte("echo: "), env.Data...), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	env := transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("hello")}
	reply, err := tr.Request(ctx, env)
	fmt.Println(string(reply), err)

	if err := sub.Unsubscribe(); err != nil {
		fmt.Println(err)
	}
	_, err = tr.Request(ctx, env)
	fmt.Println(errors.Is(err, outcome.ErrTransportNoShardSubscriber), "-", outcome.Of(err))
	// Output:
	// echo: hello <nil>
	// true - not started
}

// One that subscribes to a shard that is served stands by, and takes over.
func ExampleTransport_SubscribeShard() {
	tr := memtransport.New(memtransport.Options{})
	defer tr.Close()
	ctx := context.Background()
	var subs []transport.Subscription
	for _, name := range []string{"first", "second"} {
		sub, err := tr.SubscribeShard(ctx, 0, func(context.Context, transport.Envelope) ([]byte, error) { return []byte(name), nil })
		if err != nil {
			fmt.Println(err)
			return
		}
		subs = append(subs, sub)
	}
	for range 2 {
		reply, err := tr.Request(ctx, transport.Envelope{Shard: 0, Type: "Who"})
		fmt.Println(string(reply), err)
		if err := subs[0].Unsubscribe(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// first <nil>
	// second <nil>
}
