// Command bank shows which errors a caller sees, and that no money is lost when the bank is
// killed. It ends by itself, in less than 20 seconds:
//
//	go run ./examples/bank
//
// internal/tellers moves the money, and starts and kills the bank's process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/embed"
	"github.com/clstr-go/clstr/examples/bank/internal/tellers"
)

var ErrBadAmount = errors.New("the amount must be positive") // a sentinel, found by errors.Is

// InsufficientFunds is an error with fields, found by errors.As.
type InsufficientFunds struct{ Balance, Wanted int64 }

func (e *InsufficientFunds) Error() string {
	return fmt.Sprintf("insufficient funds: %d of %d", e.Balance, e.Wanted)
}

func init() { // the codes travel: both ends register them
	cluster.RegisterError("bank.bad_amount", ErrBadAmount)
	cluster.RegisterErrorType[*InsufficientFunds]("bank.insufficient_funds")
}

// Account is an entity whose state is stored before each reply. The others are its messages.
type (
	Account  struct{ Balance int64 }
	Deposit  struct{ Amount int64 }
	Withdraw struct{ Amount int64 }
	Look     struct{}
	Balance  struct{ Amount int64 }
)

func (a *Account) Deposit(_ *actor.Context, m Deposit) (Balance, error) {
	if m.Amount <= 0 {
		return Balance{}, ErrBadAmount
	}
	a.Balance += m.Amount
	return Balance{a.Balance}, nil
}

func (a *Account) Look(*actor.Context, Look) (Balance, error) { return Balance{a.Balance}, nil }

func (a *Account) Withdraw(_ *actor.Context, m Withdraw) (Balance, error) {
	if m.Amount <= 0 {
		return Balance{}, ErrBadAmount
	}
	if m.Amount > a.Balance {
		return Balance{}, &InsufficientFunds{a.Balance, m.Amount}
	}
	a.Balance -= m.Amount
	return Balance{a.Balance}, nil
}

var accounts = actor.Define("account", func(string) *Account { return &Account{} },
	actor.OnRequest((*Account).Deposit), actor.OnRequest((*Account).Withdraw), actor.OnQuery((*Account).Look), actor.Durable(actor.Persistence{}))

// serve is the bank's process, with a NATS server in it.
func serve(ctx context.Context, dir, address string, serves func()) error {
	bank, err := clstr.Open(ctx, clstr.Options{
		Name: "bank", On: embed.New(embed.Options{Dir: dir, Listen: address}), Entities: clstr.Host(accounts),
		Node: cluster.NodeOptions{Timing: tellers.Timing},
	})
	if err == nil {
		serves()
		err = bank.Run(ctx)
	}
	return err
}

// story asks for what goes well, and for what does not.
func story(ctx context.Context, bank *clstr.Service, w io.Writer) {
	alice, bob := bank.Key(accounts, "alice"), bank.Key(accounts, "bob")
	step(ctx, w, "alice deposits 100", alice, Deposit{100})
	step(ctx, w, "alice withdraws 30", alice, Withdraw{30})
	step(ctx, w, "alice deposits -5", alice, Deposit{-5})
	step(ctx, w, "bob withdraws 10", bob, Withdraw{10})
	step(ctx, w, "a loan, which nobody hosts", bank.Kind("loan").Key("alice"), Deposit{1})
}

// move moves money once: each half has an ID, and the client repeats it until it knows the outcome.
func move(ctx context.Context, bank *clstr.Service, t tellers.Transfer) error {
	if t.From != "" { // else it comes from outside
		if _, err := clstr.Ask[Balance](ctx, bank.Key(accounts, t.From), Withdraw{t.Amount}, cluster.WithID(t.ID)); err != nil {
			return err
		}
	}
	_, err := clstr.Ask[Balance](ctx, bank.Key(accounts, t.To), Deposit{t.Amount}, cluster.WithID(t.ID))
	return err
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

func main() { tellers.Main(serve, story, move, Look{}) }
