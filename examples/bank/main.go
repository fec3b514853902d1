// Command bank tells a short story of accounts and transfers: which errors a
// caller sees, and what they say about the work. It ends by itself.
//
//	go run ./examples/bank
//
// bank.go has the entities and their errors. The story is the same over NATS:
// main_test.go has it so.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

const numShards = 16

func main() {
	if err := run(context.Background(), cluster.NewInMemoryTransport(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bank:", err)
		os.Exit(1)
	}
}

// run hosts the bank on one node, tells the story, and closes the transport.
func run(ctx context.Context, tr cluster.Transport, w io.Writer) error {
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: numShards})
	if err != nil {
		return err
	}
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "bank-1", Transport: tr, NumShards: numShards, Shards: cluster.ShardsForNode("bank-1", []string{"bank-1"}, numShards, ""),
		Kinds: map[string]cluster.ServerHandlerFunc{
			"account": cluster.NewActorHandler(accounts.New),
			"order":   cluster.NewActorHandler(orders(client).New),
		},
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends at stop
	select {
	case <-node.Ready():
		tell(ctx, w, client)
	case err := <-ended:
		return errors.Join(err, tr.Close())
	}
	stop()
	return errors.Join(<-ended, tr.Close())
}

func tell(ctx context.Context, w io.Writer, client *cluster.Client) {
	account, order := client.Kind("account").Key, client.Kind("order").Key
	step[Balance](ctx, w, "alice deposits 100", account("alice"), Deposit{Amount: 100})
	step[Balance](ctx, w, "alice withdraws 30", account("alice"), Withdraw{Amount: 30})
	step[Balance](ctx, w, "alice deposits -5", account("alice"), Deposit{Amount: -5})
	step[Balance](ctx, w, "bob withdraws 10", account("bob"), Withdraw{Amount: 10})
	step[Receipt](ctx, w, "order 1: 50 from alice to bob", order("1"), Transfer{"alice", "bob", 50})
	step[Receipt](ctx, w, "order 1 again, as after a timeout", order("1"), Transfer{"alice", "bob", 50})
	step[Receipt](ctx, w, "order 2: 500 from alice to bob", order("2"), Transfer{"alice", "bob", 500})
	step[Balance](ctx, w, "a loan, which nobody hosts", client.Kind("loan").Key("alice"), Deposit{Amount: 1})
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	step[Balance](short, w, "an audit of alice, for 50 ms", account("alice"), Audit{})
}

// step asks, and prints the reply, or what the caller can tell of the error.
func step[Out, In any](ctx context.Context, w io.Writer, what string, who *cluster.ScopedClient, in In) {
	out, err := cluster.NewRequest[In, Out](who).Request(ctx, in)
	if err == nil {
		fmt.Fprintf(w, "%-34s %+v\n", what, *out)
		return
	}
	fmt.Fprintf(w, "%-34s no: code %s, %s", what, cluster.CodeOf(err), cluster.OutcomeOf(err))
	if errors.Is(err, ErrBadAmount) {
		fmt.Fprint(w, "; errors.Is finds ErrBadAmount")
	}
	if funds, ok := errors.AsType[*InsufficientFunds](err); ok {
		fmt.Fprintf(w, "; errors.As finds that %d are missing", funds.Wanted-funds.Balance)
	}
	if cluster.OutcomeOf(err).NeverRan() {
		fmt.Fprint(w, "; safe to send again")
	}
	fmt.Fprintln(w)
}
