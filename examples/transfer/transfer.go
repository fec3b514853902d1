// Package transfer has entities that ask each other: orders, which move money
// between accounts, once each, however often they are sent. All is in memory, and a death loses
// it: docs/howto/two-keys.md has the same with durable entities. docs/testing.md shows
// how they are tested: alone, in a cluster, and with faults on their ways.
package transfer

import (
	"errors"
	"fmt"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// The messages and replies. A Deposit or Withdraw that names an order moves money
// once, however often it is sent.
type (
	Deposit struct {
		Amount int64
		Order  string
	}
	Withdraw struct {
		Amount int64
		Order  string
	}
	Transfer struct {
		From, To string
		Amount   int64
	}
	Audit   struct{}
	Balance struct{ Amount int64 }
	Receipt struct{ From, To int64 } // the balances after a transfer
)

// InsufficientFunds is an error with fields, found by errors.As.
type InsufficientFunds struct{ Balance, Wanted int64 }

func (e *InsufficientFunds) Error() string {
	return fmt.Sprintf("insufficient funds: %d of %d", e.Balance, e.Wanted)
}

// ErrBadAmount refuses what is not positive.
var ErrBadAmount = errors.New("the amount must be positive")

func init() { // the codes travel: both ends register them
	cluster.RegisterError("transfer.bad_amount", ErrBadAmount)
	cluster.RegisterErrorType[*InsufficientFunds]("transfer.insufficient_funds")
}

// Account is an entity: one per key, one message at a time, and in memory only.
type Account struct {
	balance int64
	recent  []answered // the last 1,000; an older order would move money again
}

// answered is a message that names an order, and the reply to it.
type answered struct {
	msg   any
	reply Balance
}

func (a *Account) Deposit(_ *actor.Context, m Deposit) (Balance, error) {
	return a.move(m, m.Order, m.Amount, m.Amount)
}

func (a *Account) Withdraw(_ *actor.Context, m Withdraw) (Balance, error) {
	return a.move(m, m.Order, m.Amount, -m.Amount)
}

func (a *Account) move(msg any, order string, amount, change int64) (Balance, error) {
	for _, before := range a.recent {
		if before.msg == msg {
			return before.reply, nil
		}
	}
	switch {
	case amount <= 0:
		return Balance{}, ErrBadAmount
	case change < -a.balance:
		return Balance{}, &InsufficientFunds{a.balance, amount}
	}
	a.balance += change
	if order != "" {
		a.recent = append(a.recent[max(0, len(a.recent)-999):], answered{msg, Balance{a.balance}})
	}
	return Balance{a.balance}, nil
}

// Audit takes longer than any caller waits: its context ends with its caller's.
func (a *Account) Audit(c *actor.Context, _ Audit) (Balance, error) {
	<-c.Done()
	return Balance{}, c.Err()
}

var accounts = actor.Define("account", func(string) *Account { return &Account{} },
	actor.OnRequest((*Account).Deposit), actor.OnRequest((*Account).Withdraw), actor.OnRequest((*Account).Audit))

// Order moves money between two accounts. It is an entity of its own, so that
// accounts never wait for each other. If a reply is lost, or an account is not
// there, the order is sent again: the accounts know it, and do what is missing.
type Order struct{}

func (o *Order) Transfer(c *actor.Context, m Transfer) (Receipt, error) {
	id := fmt.Sprintf("%q from %q to %q", c.Key(), m.From, m.To) // another use of the key is another order
	svc := clstr.From(c)
	left, err := clstr.Ask[Balance](c, svc.Key(accounts, m.From), Withdraw{m.Amount, id})
	if err != nil {
		return Receipt{}, err // the account's error, with its identity
	}
	got, err := clstr.Ask[Balance](c, svc.Key(accounts, m.To), Deposit{m.Amount, id})
	if err != nil {
		return Receipt{}, fmt.Errorf("withdrawn; send the order again: %w", err)
	}
	return Receipt{left.Amount, got.Amount}, nil
}

var orders = actor.Define("order", func(string) *Order { return &Order{} }, actor.OnRequest((*Order).Transfer))
