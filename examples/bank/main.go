// Command bank tells a short story of accounts and transfers over NATS: which
// errors a caller sees, and what they say about the work.
//
//	go run ./examples/bank
//
// It ends by itself. bank.go has the entities and their errors.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const numShards = 16

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bank:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	if len(args) > 0 {
		return fmt.Errorf("it takes no arguments, and was given %q", args)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		return err
	}
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if s.Start(); !s.ReadyForConnections(5 * time.Second) {
		return errors.New("the NATS server does not take connections")
	}
	nodeEnd, nodeClient, err := connect(s.ClientURL())
	if err != nil {
		return err
	}
	defer nodeEnd.Close()
	callerEnd, caller, err := connect(s.ClientURL()) // as another process would
	if err != nil {
		return err
	}
	defer callerEnd.Close()
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "bank-1", Transport: nodeEnd, NumShards: numShards, Shards: cluster.ShardsForNode("bank-1", []string{"bank-1"}, numShards, ""),
		Kinds: map[string]cluster.ServerHandlerFunc{
			"account": cluster.NewActorHandler(accounts.New),
			"order":   cluster.NewActorHandler(orders(nodeClient).New),
		},
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends at stop
	select {
	case <-node.Ready():
		tell(ctx, stdout, caller)
		stop()
		return <-ended
	case err := <-ended:
		stop()
		return err
	}
}

func connect(url string) (*natstransport.Transport, *cluster.Client, error) {
	tr, err := natstransport.New(natstransport.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: numShards})
	return tr, client, err
}

func tell(ctx context.Context, w io.Writer, client *cluster.Client) {
	account, order := client.Kind("account").Key, client.Kind("order").Key
	step(ctx, w, "alice deposits 100", account("alice"), Deposit{100}, Balance{})
	step(ctx, w, "alice withdraws 30", account("alice"), Withdraw{30}, Balance{})
	step(ctx, w, "alice deposits -5", account("alice"), Deposit{-5}, Balance{})
	step(ctx, w, "bob withdraws 10", account("bob"), Withdraw{10}, Balance{})
	step(ctx, w, "order 1: 50 from alice to bob", order("1"), Transfer{"alice", "bob", 50}, Receipt{})
	step(ctx, w, "order 1 again, as after a timeout", order("1"), Transfer{"alice", "bob", 50}, Receipt{})
	step(ctx, w, "order 2: 500 from alice to bob", order("2"), Transfer{"alice", "bob", 500}, Receipt{})
	step(ctx, w, "a loan, which nobody hosts", client.Kind("loan").Key("alice"), Deposit{1}, Balance{})
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	step(short, w, "an audit of alice, for 50 ms", account("alice"), Audit{}, Balance{})
}

// step asks, and prints the reply, or what the caller can tell of the error.
func step[In, Out any](ctx context.Context, w io.Writer, what string, who *cluster.ScopedClient, in In, _ Out) {
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
