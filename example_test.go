package clstr_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
)

// A process hosts accounts, and asks one of them. Over NATS, On is
// clstr.NATS("nats://127.0.0.1:4222"), and every process opens the service like this.
func ExampleOpen() {
	ctx := context.Background()
	svc, err := clstr.Open(ctx, clstr.Options{
		Name:     "bank",
		On:       clstr.Memory(),
		Entities: clstr.Host(accounts),
		Log:      quiet,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer svc.Close(ctx)

	balance, err := clstr.Ask[Balance](ctx, svc.Key(accounts, "acc-1"), Deposit{100})
	fmt.Println(balance.Amount, err)
	_, err = clstr.Ask[Balance](ctx, svc.Key(accounts, "acc-1"), Deposit{-1})
	fmt.Println(errors.Is(err, errBadAmount), "-", cluster.OutcomeOf(err))
	// Output:
	// 100 <nil>
	// true - ran and failed
}

// A process without entities is a client: a web server, say.
func ExampleOpen_client() {
	ctx, on := context.Background(), clstr.Memory()
	node, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: on, Entities: clstr.Host(accounts), Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close(ctx)
	web, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: on, Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer web.Close(ctx)

	fmt.Println(clstr.Tell(ctx, web.Kind("account").Key("acc-1"), Touch{}))
	balance, err := clstr.Ask[Balance](ctx, web.Kind("account").Key("acc-1"), Deposit{0})
	fmt.Println(balance.Amount, err)
	// Output:
	// <nil>
	// 1 <nil>
}

// An entity asks others through the service that hosts it. Order's method is
//
//	func (o *Order) Transfer(c *actor.Context, m Transfer) (Balance, error) {
//		return clstr.Ask[Balance](c, clstr.From(c).Key(accounts, m.To), Deposit{m.Amount})
//	}
func ExampleFrom() {
	ctx := context.Background()
	svc, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: clstr.Memory(), Entities: clstr.Host(accounts, orders), Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer svc.Close(ctx)

	balance, err := clstr.Ask[Balance](ctx, svc.Key(orders, "order-1"), Transfer{"acc-1", 30})
	fmt.Println(balance.Amount, err)
	// Output: 30 <nil>
}

// A main function ends with Run, which drains the node at the signal.
func ExampleService_Run() {
	ctx, stop := context.WithCancel(context.Background()) // signal.NotifyContext(..., os.Interrupt, syscall.SIGTERM)
	defer stop()
	svc, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: clstr.Memory(), Entities: clstr.Host(accounts), Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	stop() // the signal
	fmt.Println(svc.Run(ctx))
	// Output: <nil>
}
