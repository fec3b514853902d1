// The commands request and notify

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport/natstransport"
)

type replyJSON struct {
	Kind     string          `json:"kind"`
	Key      string          `json:"key"`
	Shard    uint32          `json:"shard"`
	Type     string          `json:"type"`
	TookMs   float64         `json:"took_ms"`
	Reply    json.RawMessage `json:"reply,omitempty"`
	ReplyRaw []byte          `json:"reply_base64,omitempty"`
}

// call is one request or notification.
type call struct {
	layout          sharding.Layout // NumShards 0: as the records say
	kind, key, name string
	payload         string
	raw, noAck      bool
}

const callHelp = `
KIND is the kind of the entity, or - if the nodes have one handler without a
kind. TYPE is the name of the message: by default the bare name of its Go
type. JSON is the message itself. @FILE reads it from a file and - from
standard input; without it the payload is empty. With --raw the payload need
not be JSON.

The call ends after --timeout, which is also the handler's deadline. What
certainly did not run is sent again until then, so a shard that moves shows as
a pause. If the call fails, the exit code is its outcome: clstr help
exit-codes.
`

func (a *app) request() *cobra.Command {
	var c call
	cmd := a.callCommand(&c, func(ctx context.Context) error { return a.runRequest(ctx, c) })
	cmd.Use = "request KIND KEY TYPE [JSON|@FILE|-]"
	cmd.Short = "Send a request to a key, and print the reply"
	cmd.Long = `Send a request to a key, and print the reply.
` + callHelp + `
JSON: kind, key, shard, type, took_ms, and reply, or reply_base64 if the reply
is not JSON.`
	cmd.Example = `  clstr request account acc-1 Deposit '{"Amount": 100}'
  clstr request - room-7 Join @join.json --timeout 2s
  clstr request account acc-1 Balance --json | jq .reply`
	return cmd
}

func (a *app) notify() *cobra.Command {
	var c call
	cmd := a.callCommand(&c, func(ctx context.Context) error { return a.runNotify(ctx, c) })
	cmd.Use = "notify KIND KEY TYPE [JSON|@FILE|-]"
	cmd.Short = "Send a notification to a key: it is accepted, not answered"
	cmd.Long = `Send a notification to a key. The command ends when the owner has accepted it
into the key's mailbox. It does not wait for the handler.
` + callHelp + `
JSON: kind, key, shard, type, took_ms.`
	cmd.Example = `  clstr notify account acc-1 Touch '{}'
  clstr notify device d-17 Reading @reading.json --no-ack`
	cmd.Flags().BoolVar(&c.noAck, "no-ack", false, "without an acknowledgement: it may be lost if the shard moves")
	return cmd
}

func (a *app) callCommand(c *call, run func(context.Context) error) *cobra.Command {
	cmd := &cobra.Command{
		Args:              cobra.RangeArgs(3, 4),
		ValidArgsFunction: a.kindNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.kind, c.key, c.name = args[0], args[1], args[2]
			if c.kind == "-" {
				c.kind = ""
			}
			if len(args) == 4 {
				c.payload = args[3]
			}
			return run(cmd.Context())
		},
	}
	cmd.Flags().Uint32Var(&c.layout.NumShards, "shards", 0, "the cluster's number of shards (default: read from its records)")
	cmd.Flags().StringVar(&c.layout.Seed, "seed", "", "the cluster's seed, with --shards")
	cmd.Flags().BoolVar(&c.raw, "raw", false, "send the payload as it is, JSON or not")
	return cmd
}

func (a *app) runRequest(ctx context.Context, c call) error {
	return a.call(ctx, c, func(ctx context.Context, to *cluster.ScopedClient, data []byte) ([]byte, error) {
		return to.RequestRaw(ctx, c.name, data)
	})
}

func (a *app) runNotify(ctx context.Context, c call) error {
	return a.call(ctx, c, func(ctx context.Context, to *cluster.ScopedClient, data []byte) ([]byte, error) {
		if !c.noAck {
			return nil, to.NotifyRaw(ctx, c.name, data)
		}
		err := to.NotifyRaw(ctx, c.name, data, cluster.WithoutAck())
		if err == nil { // what is sent behind it has left this process after it
			_, err = to.GetNodeInfo(ctx)
		}
		return nil, err
	})
}

func (a *app) call(ctx context.Context, c call, send func(context.Context, *cluster.ScopedClient, []byte) ([]byte, error)) error {
	data, err := a.data(c)
	if err != nil {
		return &failure{exit: exitUsage, code: "usage", msg: err.Error()}
	}
	if c.layout.NumShards == 0 && c.layout.Seed != "" {
		return &failure{exit: exitUsage, code: "usage", msg: "--seed goes with --shards"}
	}
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	var kinds []string
	if c.layout.NumShards == 0 {
		seen, err := a.look(ctx)
		if err != nil {
			return err
		}
		c.layout, kinds = seen.Layout, kindsOf(seen)
	}
	client, end, err := a.client(ctx, c.layout)
	if err != nil {
		return err
	}
	defer end()
	to := client.Key(c.key)
	if c.kind != "" {
		to = client.Kind(c.kind).Key(c.key)
	}
	began := a.now()
	reply, err := send(ctx, to, data)
	if err != nil {
		f := callFailed(err)
		if errors.Is(err, cluster.ErrUnknownKind) && len(kinds) > 0 {
			f.hint = hosted(kinds)
		}
		return f
	}
	out := replyJSON{Kind: c.kind, Key: c.key, Shard: c.layout.Shard(c.key), Type: c.name, TookMs: ms(a.now().Sub(began))}
	if json.Valid(reply) {
		out.Reply = reply
	} else {
		out.ReplyRaw = reply
	}
	return a.emit(out, func(w io.Writer) {
		if len(reply) > 0 {
			fmt.Fprintf(w, "%s\n", bytes.TrimSuffix(reply, []byte("\n")))
		}
	})
}

// data is the payload.
func (a *app) data(c call) (data []byte, err error) {
	switch file, isFile := strings.CutPrefix(c.payload, "@"); {
	case c.payload == "":
		return nil, nil
	case c.payload == "-":
		data, err = io.ReadAll(a.in)
	case isFile:
		data, err = os.ReadFile(file)
	default:
		data = []byte(c.payload)
	}
	if err == nil && !c.raw && !json.Valid(data) {
		err = fmt.Errorf("the payload is no JSON (--raw sends it all the same): %.60q", data)
	}
	return data, err
}

// client makes a client of the cluster. end closes it.
func (a *app) client(ctx context.Context, layout sharding.Layout) (client *cluster.Client, end func(), err error) {
	c, options, err := a.find()
	if err != nil {
		return nil, nil, err
	}
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}) // the transport says it; nats.go would print
	nc, err := a.dial(ctx, c, append(options, nats.MaxReconnects(-1), quiet))
	if err != nil {
		return nil, nil, err
	}
	tr, err := natstransport.Open(ctx, natstransport.Options{Conn: nc, Prefix: a.prefix, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	end = func() { _ = tr.Close(); nc.Close() } // what has not ended ends with the process
	client, err = cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: layout.NumShards, Seed: layout.Seed})
	if err != nil {
		end()
		return nil, nil, &failure{exit: exitUsage, code: "usage", msg: err.Error()}
	}
	return client, end, nil
}

// kindNames completes the first argument.
func (a *app) kindNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 3 {
		return nil, cobra.ShellCompDirectiveDefault // a file, maybe
	}
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	a.timeout = min(a.timeout, time.Second)
	c, err := a.look(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return kindsOf(c), cobra.ShellCompDirectiveNoFileComp
}

func kindsOf(c *view.Cluster) []string {
	var kinds []string
	for _, n := range c.Nodes {
		if !n.Gone() {
			kinds = append(kinds, n.Kinds...)
		}
	}
	return sortedSet(kinds)
}
