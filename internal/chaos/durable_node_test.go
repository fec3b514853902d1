package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// tally is a durable counter that knows each of its increments.
type tally struct{ Ops []string }

func (y *tally) increment(_ *actor.Context, m increment) (value, error) {
	y.Ops = append(y.Ops, m.Op)
	return value{uint64(len(y.Ops))}, nil
}

// register is a durable value.
type register struct{ Op string }

type (
	set  struct{ Op string }
	get  struct{}
	held struct{ Op string }
)

func (r *register) set(_ *actor.Context, m set) (held, error) {
	r.Op = m.Op
	return held(m), nil
}

func (r *register) get(*actor.Context, get) (held, error) { return held{r.Op}, nil }

var (
	tallies = actor.Define("tally", func(string) *tally { return &tally{} },
		actor.OnRequest((*tally).increment), actor.Durable(actor.Persistence{}))
	registers = actor.Define("register", func(string) *register { return &register{} },
		actor.OnRequest((*register).set), actor.OnQuery((*register).get), actor.Durable(actor.Persistence{}))
)

// runDurable is a node as a user would start it. Its store of state has a way to the servers of
// its own, so that it can be cut alone.
func runDurable() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { orphaned(); stop() }() // ends with the process
	on := clstr.NATS(os.Getenv(urlEnv), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	on.State.URL = os.Getenv(stateEnv)
	t, _ := timing(os.Getenv(longEnv) == "true")
	svc, err := clstr.Open(ctx, clstr.Options{
		Name: "clstr", On: on, Entities: clstr.Host(tallies, registers), Shards: shards,
		Log:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 4})),
		Node: cluster.NodeOptions{NodeID: os.Getenv(nameEnv), Timing: t},
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return svc.Run(ctx)
}
