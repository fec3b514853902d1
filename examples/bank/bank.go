package main

import (
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// The messages of an account, and its reply.
type (
	Deposit  struct{ Amount int64 }
	Withdraw struct{ Amount int64 }
	Audit    struct{}
	Balance  struct{ Amount int64 }
)

// Transfer is the message of an order, and Receipt its reply.
type (
	Transfer struct {
		From, To string
		Amount   int64
	}
	Receipt struct{ From, To int64 } // the balances after it
)

// ErrBadAmount is a sentinel, found by errors.Is.
var ErrBadAmount = errors.New("the amount must be positive")

// InsufficientFunds is an error with fields, found by errors.As.
type InsufficientFunds struct{ Balance, Wanted int64 }

func (e *InsufficientFunds) Error() string {
	return fmt.Sprintf("insufficient funds: %d of %d", e.Balance, e.Wanted)
}

func init() { // the codes travel: both ends register them
	cluster.RegisterError("bank.bad_amount", ErrBadAmount)
	cluster.RegisterErrorType[*InsufficientFunds]("bank.insufficient_funds")
}

// Account is an entity: one per key, one message at a time.
type Account struct{ balance int64 }

func (a *Account) Deposit(_ *actor.Context, m Deposit) (Balance, error) {
	if m.Amount <= 0 {
		return Balance{}, ErrBadAmount
	}
	a.balance += m.Amount
	return Balance{a.balance}, nil
}

func (a *Account) Withdraw(_ *actor.Context, m Withdraw) (Balance, error) {
	switch {
	case m.Amount <= 0:
		return Balance{}, ErrBadAmount
	case m.Amount > a.balance:
		return Balance{}, &InsufficientFunds{a.balance, m.Amount}
	}
	a.balance -= m.Amount
	return Balance{a.balance}, nil
}

// Audit takes longer than anybody waits: its context ends with its caller's.
func (a *Account) Audit(c *actor.Context, _ Audit) (Balance, error) {
	<-c.Done()
	return Balance{}, c.Err()
}

var accounts = actor.Define("account", func(string) *Account { return &Account{} },
	actor.OnRequest((*Account).Deposit),
	actor.OnRequest((*Account).Withdraw),
	actor.OnRequest((*Account).Audit),
)

// Order moves money between two accounts. It is an entity of its own, so that
// accounts never wait for each other, and its key is the order's ID, so that
// an order that was answered moves nothing when it is asked again. (A bank would
// have its accounts remember orders too: a withdrawal whose reply was lost may be
// made twice here.)
type Order struct {
	accounts *cluster.KindClient
	done     *Receipt
}

func (o *Order) Transfer(c *actor.Context, m Transfer) (Receipt, error) {
	if o.done != nil {
		return *o.done, nil
	}
	from, to := o.accounts.Key(m.From), o.accounts.Key(m.To)
	left, err := cluster.NewRequest[Withdraw, Balance](from).Request(c, Withdraw{m.Amount})
	if err != nil {
		return Receipt{}, err // the account's error, with its identity
	}
	got, err := cluster.NewRequest[Deposit, Balance](to).Request(c, Deposit{m.Amount})
	if err != nil {
		if cluster.OutcomeOf(err) == cluster.MaybeRan {
			return Receipt{}, fmt.Errorf("in doubt, somebody must look: %w", err)
		}
		_, back := cluster.NewRequest[Deposit, Balance](from).Request(c, Deposit{m.Amount})
		return Receipt{}, errors.Join(err, back)
	}
	o.done = &Receipt{left.Amount, got.Amount}
	return *o.done, nil
}

// orders defines the entity for a node whose orders ask through client.
func orders(client *cluster.Client) *actor.Definition[Order] {
	return actor.Define("order", func(string) *Order { return &Order{accounts: client.Kind("account")} },
		actor.OnRequest((*Order).Transfer))
}
