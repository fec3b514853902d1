// The command demo: a cluster in this process

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cmd/clstr/internal/demo"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// leastShow is the shortest time in which there is something to see.
const leastShow = 3 * time.Second

type demoCmd struct {
	*app
	length time.Duration
}

func (c *demoCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a cluster whose nodes come and go, all in this process",
		Long: `Start a NATS server, three nodes and callers in this process, on a free port. A
node joins, one is drained, one is killed without a word, and both come back. A
table shows how many shards each node owns and what becomes of the requests. The
demo ends by itself.

Callers send 1,600 requests a second, whether or not earlier ones were
answered. So a death shows as requests that wait for the dead node's shards,
while all others go on. The other commands work from another terminal, with
the --server that the demo prints. The demo uses and
changes nothing outside of its process.

The leases are short (2 s), so that a death shows soon; the default is 10 s. The
entity keeps its state in memory: what a killed node knew is gone.

JSON: an object a line. Each second: at_ms, nodes (a list of name, state,
shards), answered, waiting, failed (by outcome), longest_ms (since the line
before). Each event: at_ms, event (joins, serves, drains, drained, killed,
taken_over or has_left), node, and for some shards, took_ms and pause_ms.
The last line: at_ms, end (true), answered, failed, longest_ms (of all).`,
		Example: `  clstr demo
  clstr demo --for 12s --json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	cmd.Flags().DurationVar(&c.length, "for", 30*time.Second, "how long it runs, at least 3s")
	return cmd
}

func (c *demoCmd) run(ctx context.Context) (err error) {
	length := c.length
	if length < leastShow {
		return &failure{exit: exitUsage, code: "usage", msg: fmt.Sprintf("--for %v: at least %v", length, leastShow)}
	}
	server, err := demo.StartServer()
	if err != nil {
		return err
	}
	defer server.Stop()
	log := slog.New(slog.DiscardHandler)
	store, err := natsstore.Open(ctx, natsstore.Options{URL: server.URL, Prefix: natsdial.DefaultPrefix, Name: "demo", Memory: true, Log: log})
	if err != nil {
		return err
	}
	defer store.Close()
	tr, err := natstransport.Open(ctx, natstransport.Options{URL: server.URL, Name: "demo load", Log: log})
	if err != nil {
		return err
	}
	defer tr.Close()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: demo.NumShards})
	if err != nil {
		return err
	}
	s := newScreen(&c.output, server.URL, length)
	show, err := demo.NewShow(ctx, server.URL, natsdial.DefaultPrefix, store, s.event, "a", "b", "c")
	if err != nil {
		return err
	}
	load := demo.StartLoad(client)
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var scriptErr error
	var script sync.WaitGroup
	script.Go(func() { // ends with ctx
		if scriptErr = show.Run(ctx, length); scriptErr != nil {
			cancel()
		}
	})
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if seen, err := view.Load(ctx, store); err == nil {
			s.frame(seen, load)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	script.Wait()
	load.Stop()
	total, _ := load.Look()
	s.end(total)
	return errors.Join(scriptErr, show.Stop())
}
