package examples_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

var log = slog.New(slog.DiscardHandler)

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
	svc, err := clstr.Open(ctx, clstr.Options{
		Name:     "bank",
		On:       clstr.Memory(), // or embed.Dir("data"), or clstr.NATS("nats://127.0.0.1:4222")
		Entities: clstr.Host(Accounts),
		Log:      log,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer svc.Close(ctx) // hands the keys over

	balance, err := clstr.Ask[Balance](ctx, svc.Key(Accounts, "acc-1"), Deposit{100})
	fmt.Println(balance.Amount, err)
	_, err = clstr.Ask[Balance](ctx, svc.Key(Accounts, "acc-1"), Deposit{-1})
	fmt.Println(errors.Is(err, ErrBadAmount), "-", cluster.OutcomeOf(err))
	// Output:
	// 100 <nil>
	// true - ran and failed
}
