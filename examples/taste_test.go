package examples_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

var ErrBadAmount = errors.New("the amount must be positive")

func init() { cluster.RegisterError("taste.bad_amount", ErrBadAmount) }

type (
	Deposit struct{ Amount int64 }
	Balance struct{ Amount int64 }
	Account struct{ balance int64 }
)

func (a *Account) Deposit(c *actor.Context, m Deposit) (Balance, error) {
	if m.Amount <= 0 {
		return Balance{}, ErrBadAmount // registered by code: errors.Is finds it at the caller
	}
	a.balance += m.Amount // one message at a time: no lock
	return Balance{a.balance}, nil
}

var Accounts = actor.Define("account", func(key string) *Account { return &Account{} },
	actor.OnRequest((*Account).Deposit),
	actor.PassivateAfter(10*time.Minute),
)

// README.md shows this code; docs_test.go sees to it that it is the same.
func Example() {
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	ids := []string{"node-1"}

	tr := cluster.NewInMemoryTransport() // or natstransport.Open(ctx, natstransport.Options{URL: url})
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID:    "node-1",
		Transport: tr,
		NumShards: 64,
		Shards:    cluster.ShardsForNode("node-1", ids, 64, ""),
		Handler:   cluster.NewActorHandler(Accounts.New),
		Log:       log,
	})
	stop, err := node.Start(ctx) // returns when it serves; stop() drains it
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64})
	if err != nil {
		fmt.Println(err)
		return
	}
	balance, err := cluster.NewRequest[Deposit, Balance](client.Key("acc-1")).Request(ctx, Deposit{100})
	fmt.Println(balance.Amount, err)
	_, err = cluster.NewRequest[Deposit, Balance](client.Key("acc-1")).Request(ctx, Deposit{-1})
	fmt.Println(errors.Is(err, ErrBadAmount), "-", cluster.OutcomeOf(err))

	fmt.Println(stop(), tr.Close()) // the node drains
	// Output:
	// 100 <nil>
	// true - ran and failed
	// <nil> <nil>
}
