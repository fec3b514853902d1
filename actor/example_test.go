package actor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// startNode runs a node with one shard in this process; stop ends both and waits.
func startNode(h cluster.ServerHandlerFunc) (client *cluster.Client, stop func()) {
	tr := cluster.NewInMemoryTransport()
	node := cluster.NewNode(cluster.NodeOptions{
		Transport: tr, NumShards: 1, Shards: []uint32{0}, Handler: h, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends with stop
	<-node.Ready()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
	if err != nil {
		panic(err)
	}
	return client, func() {
		cancel()
		if err := errors.Join(<-ended, tr.Close()); err != nil {
			fmt.Println(err)
		}
	}
}

// Account is an entity: a plain struct, which its methods need not lock.
type Account struct {
	balance int
	touched int
}

type Pay struct{ Amount int }

type Balance struct{ Amount int }

type Touch struct{}

var ErrBadAmount = errors.New("amount must be positive")

func init() { cluster.RegisterError("example.bad_amount", ErrBadAmount) }

func (a *Account) Pay(_ *actor.Context, m Pay) (Balance, error) {
	if m.Amount <= 0 {
		return Balance{}, ErrBadAmount
	}
	a.balance += m.Amount
	return Balance{a.balance}, nil
}

func (a *Account) Touch(*actor.Context, Touch) error {
	a.touched++
	return nil
}

func (a *Account) load(c *actor.Context) error {
	fmt.Println("load", c.Key())
	a.balance = 100
	return nil
}

func (a *Account) flush(c *actor.Context) error {
	fmt.Printf("flush %s: balance %d, touched %d times\n", c.Key(), a.balance, a.touched)
	return nil
}

// An entity is a struct with methods. It is made and loaded when its key is
// first needed, handles one message at a time, and is flushed when it was not
// needed for long, or when its node ends.
func ExampleDefine() {
	accounts := actor.Define("account", func(key string) *Account { return &Account{} },
		actor.OnRequest((*Account).Pay),
		actor.OnNotify((*Account).Touch),
		actor.OnActivate((*Account).load),
		actor.OnPassivate((*Account).flush),
		actor.PassivateAfter(10*time.Minute),
	)
	client, stop := startNode(cluster.NewActorHandler(accounts.New))
	defer stop()

	ctx := context.Background()
	account := client.Key("acc-1")
	for range 3 {
		if err := account.Notify(ctx, Touch{}); err != nil {
			fmt.Println(err)
		}
	}
	pay := cluster.NewRequest[Pay, Balance](account)
	balance, err := pay.Request(ctx, Pay{20})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("balance", balance.Amount)
	_, err = pay.Request(ctx, Pay{-1})
	fmt.Println(errors.Is(err, ErrBadAmount))
	// Output:
	// load acc-1
	// balance 120
	// true
	// flush acc-1: balance 120, touched 3 times
}

// Clock is an entity that does something by itself.
type Clock struct {
	ticks int
	third chan struct{}
}

func (c *Clock) tick(*actor.Context) error {
	if c.ticks++; c.ticks == 3 {
		close(c.third)
	}
	return nil
}

type GetTicks struct{}

func (c *Clock) Ticks(_ *actor.Context, _ GetTicks) (bool, error) { return c.ticks >= 3, nil }

// Periodic work runs on the entity's turn, between its messages, for as long as
// it is active.
func ExampleEvery() {
	third := make(chan struct{})
	clocks := actor.Define("clock", func(string) *Clock { return &Clock{third: third} },
		actor.OnRequest((*Clock).Ticks),
		actor.Every(time.Millisecond, (*Clock).tick),
	)
	client, stop := startNode(cluster.NewActorHandler(clocks.New))
	defer stop()

	ticks := cluster.NewRequest[GetTicks, bool](client.Key("clock-1"))
	if _, err := ticks.Request(context.Background(), GetTicks{}); err != nil { // activates it
		fmt.Println(err)
	}
	<-third
	atLeastThree, err := ticks.Request(context.Background(), GetTicks{})
	fmt.Println(*atLeastThree, err)
	// Output: true <nil>
}

// Session is an entity that decides itself when it is over.
type Session struct{}

type Logout struct{}

func (*Session) Logout(c *actor.Context, _ Logout) (string, error) {
	c.Passivate()
	device, _ := c.Header("device")
	return fmt.Sprintf("%s left from a %s", c.Key(), device), nil
}

func (*Session) forget(c *actor.Context) error {
	fmt.Println("forget", c.Key())
	return nil
}

func ExampleContext_Passivate() {
	sessions := actor.Define("session", func(string) *Session { return &Session{} },
		actor.OnRequest((*Session).Logout),
		actor.OnPassivate((*Session).forget),
	)
	client, stop := startNode(cluster.NewActorHandler(sessions.New))
	logout := cluster.NewRequest[Logout, string](client.Key("s-1"))
	said, err := logout.Request(context.Background(), Logout{}, cluster.WithHeader("device", "phone"))
	stop()
	fmt.Println(*said, err)
	// Output:
	// forget s-1
	// s-1 left from a phone <nil>
}

// Greeter is a protoactor actor, as it would be without this module.
type Greeter struct{ greeted int }

type Greet struct{ Name string }

func init() { actor.RegisterMessage[Greet]() }

func (g *Greeter) Receive(c pactor.Context) {
	switch m := c.Message().(type) {
	case *pactor.Started:
		fmt.Println("started")
	case Greet:
		g.greeted++
		c.Respond(fmt.Sprintf("hello %s, number %d", m.Name, g.greeted))
	case *pactor.Stopped:
		fmt.Println("stopped")
	}
}

// A protoactor actor is hosted as it is, one for each key.
func Example_protoactor() {
	client, stop := startNode(cluster.NewActorHandler(func(key string) (actor.Actor, error) {
		return &Greeter{}, nil
	}))
	defer stop()

	greet := cluster.NewRequest[Greet, string](client.Key("greeter-1"))
	for _, name := range []string{"Ada", "Grace"} {
		reply, err := greet.Request(context.Background(), Greet{name})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(*reply)
	}
	// Output:
	// started
	// hello Ada, number 1
	// hello Grace, number 2
	// stopped
}
