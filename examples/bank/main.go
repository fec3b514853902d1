// Command bank tells a short story of accounts: which errors a caller sees, and what
// they say about the work. It ends by itself.
//
//	go run ./examples/bank
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
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

// Account is an entity: one per key, one message at a time. The others are its messages.
type (
	Account  struct{ balance int64 }
	Deposit  struct{ Amount int64 }
	Withdraw struct{ Amount int64 }
	Audit    struct{}
	Balance  struct{ Amount int64 }
)

func (a *Account) Deposit(_ *actor.Context, m Deposit) (Balance, error) {
	if m.Amount <= 0 {
		return Balance{}, ErrBadAmount
	}
	a.balance += m.Amount
	return Balance{a.balance}, nil
}

func (a *Account) Withdraw(_ *actor.Context, m Withdraw) (Balance, error) {
	if m.Amount <= 0 {
		return Balance{}, ErrBadAmount
	}
	if m.Amount > a.balance {
		return Balance{}, &InsufficientFunds{a.balance, m.Amount}
	}
	a.balance -= m.Amount
	return Balance{a.balance}, nil
}

// Audit takes longer than any caller waits: its context ends with its caller's.
func (a *Account) Audit(c *actor.Context, _ Audit) (Balance, error) {
	<-c.Done()
	return Balance{}, c.Err()
}

var accounts = actor.Define("account", func(string) *Account { return &Account{} },
	actor.OnRequest((*Account).Deposit), actor.OnRequest((*Account).Withdraw), actor.OnRequest((*Account).Audit))

// run opens the bank, tells the story, and closes it.
func run(ctx context.Context, on clstr.Network, w io.Writer) (err error) {
	bank, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: on, Entities: clstr.Host(accounts), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bank.Close(ctx)) }()
	alice := bank.Key(accounts, "alice")
	step(ctx, w, "alice deposits 100", alice, Deposit{100})
	step(ctx, w, "alice withdraws 30", alice, Withdraw{30})
	step(ctx, w, "alice deposits -5", alice, Deposit{-5})
	step(ctx, w, "bob withdraws 10", bank.Key(accounts, "bob"), Withdraw{10})
	step(ctx, w, "a loan, which nobody hosts", bank.Kind("loan").Key("alice"), Deposit{1})
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	step(short, w, "an audit of alice, for 50 ms", alice, Audit{})
	return nil
}

// step asks, and prints the reply, or what the caller can tell of the error.
func step(ctx context.Context, w io.Writer, what string, account *cluster.ScopedClient, msg any) {
	out, err := clstr.Ask[Balance](ctx, account, msg)
	code, outcome := cluster.CodeOf(err), cluster.OutcomeOf(err)
	switch funds, missing := errors.AsType[*InsufficientFunds](err); {
	case err == nil:
		fmt.Fprintf(w, "%-29s %+v\n", what, out)
	case missing:
		fmt.Fprintf(w, "%-29s no, %d are missing (%s, %v)\n", what, funds.Wanted-funds.Balance, code, outcome)
	case errors.Is(err, ErrBadAmount):
		fmt.Fprintf(w, "%-29s no, the amount is bad (%s, %v)\n", what, code, outcome)
	default:
		fmt.Fprintf(w, "%-29s no (%s, %v); safe to send again: %t\n", what, code, outcome, outcome.NeverRan())
	}
}

func main() {
	if err := run(context.Background(), clstr.Memory(), os.Stdout); err != nil {
		log.Fatalln("bank:", err)
	}
}
