// Command start is the service of docs/start.md: accounts that the processes of a bank
// share.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// Account is an entity: one for each key, in all processes together. It handles one
// message at a time, so it needs no lock. Its exported fields are its state, and are stored.
type Account struct{ Balance int64 }

type Deposit struct{ Amount int64 } // a request

type Balance struct { // its reply
	Amount int64
	Node   string
}

func (a *Account) Deposit(c *actor.Context, m Deposit) (Balance, error) {
	a.Balance += m.Amount
	return Balance{a.Balance, clstr.From(c).Node().ID()}, nil // leaves when the state is stored
}

var accounts = actor.Define("account", func(key string) *Account { return &Account{} },
	actor.OnRequest((*Account).Deposit),
	actor.Durable(actor.Persistence{}),
)

func main() {
	name := flag.String("name", "", "the name of this process")
	address := flag.String("http", "127.0.0.1:8081", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	svc, err := clstr.Open(ctx, clstr.Options{
		Name:     "bank",
		On:       clstr.NATS("nats://127.0.0.1:4222"),
		Entities: clstr.Host(accounts),
		Node:     cluster.NodeOptions{NodeID: *name},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /readyz", svc.HealthHandler())
	http.HandleFunc("POST /deposit/{key}/{amount}", func(w http.ResponseWriter, r *http.Request) {
		amount, err := strconv.ParseInt(r.PathValue("amount"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		balance, err := clstr.Ask[Balance](r.Context(), svc.Key(accounts, r.PathValue("key")), Deposit{amount})
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(balance)
	})
	go func() { log.Fatal(http.ListenAndServe(*address, nil)) }()

	if err := svc.Run(ctx); err != nil { // until SIGTERM, and then until the keys are handed over
		log.Fatal(err)
	}
}
