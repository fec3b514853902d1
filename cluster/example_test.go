package cluster_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// start runs a node; stop ends it and waits.
func start(opts cluster.NodeOptions) (stop func()) {
	opts.Log = quiet
	node := cluster.NewNode(opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	<-node.Ready()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			fmt.Println(err)
		}
	}
}

// A node that serves shards, and a client that finds it by key.
func Example() {
	tr := cluster.NewInMemoryTransport()
	defer tr.Close()

	node := cluster.NewNode(cluster.NodeOptions{
		NodeID:    "node-1",
		Transport: tr,
		Shards:    []uint32{0, 1, 2, 3},
		Log:       quiet,
		Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			key, _ := env.GetHeader("x-clstr-key")
			return []byte("hello " + key), nil
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	<-node.Ready()

	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := client.RequestKey(ctx, "user-123", "GetUser", nil)
	fmt.Println(string(reply), err)
	stop()
	fmt.Println(<-ended)
	// Output:
	// hello user-123 <nil>
	// <nil>
}

type GetTotal struct{ Tax int }

type Total struct{ Cents int }

type Cart struct{ cents int }

type Put struct{ Cents int }

func (c *Cart) Put(_ *actor.Context, m Put) error {
	c.cents += m.Cents
	return nil
}

func (c *Cart) Total(_ *actor.Context, m GetTotal) (Total, error) {
	if c.cents == 0 {
		return Total{}, ErrEmptyCart
	}
	return Total{c.cents + m.Tax}, nil
}

// ErrEmptyCart has a code, so that it stays the same error over the wire.
var ErrEmptyCart = errors.New("the cart is empty")

func init() { cluster.RegisterError("cart.empty", ErrEmptyCart) }

var Carts = actor.Define("cart", func(string) *Cart { return &Cart{} },
	actor.OnRequest((*Cart).Total),
	actor.OnNotify((*Cart).Put),
)

// Each key is an actor with its own state, which handles one message at a time.
func ExampleNewRequest() {
	tr := cluster.NewInMemoryTransport()
	defer tr.Close()
	defer start(cluster.NodeOptions{
		Transport: tr, Shards: []uint32{0, 1, 2, 3}, Handler: cluster.NewActorHandler(Carts.New),
	})()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	cart := client.Key("cart-7")
	if err := cart.Notify(ctx, Put{Cents: 250}); err != nil {
		fmt.Println(err)
	}
	total, err := cluster.NewRequest[GetTotal, Total](cart).Request(ctx, GetTotal{Tax: 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(total.Cents)
	// Output: 300
}

// A registered error is found by errors.Is at the caller, whatever the transport.
func ExampleRegisterError() {
	tr := cluster.NewInMemoryTransport()
	defer tr.Close()
	defer start(cluster.NodeOptions{
		Transport: tr, Shards: []uint32{0, 1, 2, 3}, Handler: cluster.NewActorHandler(Carts.New),
	})()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Key("cart-8").Request(context.Background(), GetTotal{})
	fmt.Println(errors.Is(err, ErrEmptyCart), cluster.CodeOf(err), "-", cluster.OutcomeOf(err))
	fmt.Println(err)
	// Output:
	// true cart.empty - ran and failed
	// request GetTotal to key "cart-8" (shard 3): the cart is empty
}

// A node may host several kinds of entities; equal keys of all kinds live on the
// same shard.
func ExampleClient_Kind() {
	tr := cluster.NewInMemoryTransport()
	defer tr.Close()
	greeter := func(kind string) cluster.ServerHandlerFunc {
		return cluster.NewKeyHandler(func(key string) (cluster.ServerHandlerFunc, error) {
			return func(context.Context, cluster.Envelope) ([]byte, error) {
				return []byte("the " + kind + " " + key), nil
			}, nil
		})
	}
	defer start(cluster.NodeOptions{
		Transport: tr, Shards: []uint32{0, 1, 2, 3},
		Kinds: map[string]cluster.ServerHandlerFunc{"account": greeter("account"), "order": greeter("order")},
	})()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, kind := range []string{"account", "order"} {
		reply, err := client.Kind(kind).Key("a-1").Request(context.Background(), GetTotal{})
		fmt.Println(string(reply), err)
	}
	// Output:
	// the account a-1 <nil>
	// the order a-1 <nil>
}

// A notification returns when the owner has accepted it, not when it was handled.
func ExampleScopedClient_Notify() {
	tr := cluster.NewInMemoryTransport()
	defer tr.Close()
	open := make(chan struct{})
	handled := make(chan string)
	defer start(cluster.NodeOptions{
		Transport: tr, Shards: []uint32{0},
		Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			<-open
			handled <- env.Type
			return nil, nil
		},
	})()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("accepted:", client.Key("cart-7").Notify(context.Background(), Put{Cents: 1}))
	close(open)
	fmt.Println("handled:", <-handled)
	// Output:
	// accepted: <nil>
	// handled: Put
}
