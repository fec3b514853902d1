// The commands request and notify

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/sharding"
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
	*app
	layout          sharding.Layout // NumShards 0: read it from the records
	kind, key, name string
	payload         string
	raw             bool
	id              string
}

type requestCmd struct{ call }

type notifyCmd struct {
	call
	noAck bool
}

const callHelp = `
KIND is the kind of the entity, or - if the nodes have one handler without a
kind. TYPE is the name of the message: by default the bare name of its Go
type. JSON is the message itself: '{}' is one without fields. @FILE reads it
from a file and - from standard input. Without them the payload is empty, and
no JSON message is empty. With --raw the payload need not be JSON.

The call ends after --timeout, which is also the handler's deadline. Until then
the command sends the message again if it certainly did not run, so a shard
that moves shows as a pause. If the call fails, the exit code is its outcome:
clstr help exit-codes. A durable entity carries out one --id once. With it the
command also repeats what may have run, and you may run the command again.
`

func (c *requestCmd) command() *cobra.Command {
	cmd := c.prepare(c.send)
	cmd.Use = "request KIND KEY TYPE [JSON|@FILE|-]"
	cmd.Short = "Send a request to a key, and print the reply"
	cmd.Long = `Send a request to a key, and print the reply.
` + callHelp + `
JSON: kind, key, shard, type, took_ms, and reply, or reply_base64 if the reply
is not JSON.`
	cmd.Example = `  clstr request account acc-1 Deposit '{"Amount": 100}' --id order-7
  clstr request - room-7 Join @join.json --timeout 2s
  clstr request account acc-1 Balance '{}' --json | jq .reply`
	return cmd
}

func (c *notifyCmd) command() *cobra.Command {
	cmd := c.prepare(c.send)
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

// sender sends a call and returns the reply.
type sender func(ctx context.Context, to *cluster.ScopedClient, data []byte) ([]byte, error)

// prepare makes the part that both commands share.
func (c *call) prepare(send sender) *cobra.Command {
	cmd := &cobra.Command{
		Args:              cobra.RangeArgs(3, 4),
		ValidArgsFunction: c.kindNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.kind, c.key, c.name = args[0], args[1], args[2]
			if c.kind == "-" {
				c.kind = ""
			}
			if len(args) == 4 {
				c.payload = args[3]
			}
			return c.run(cmd.Context(), send)
		},
	}
	cmd.Flags().Uint32Var(&c.layout.NumShards, "shards", 0, "the cluster's number of shards (default: read from its records)")
	cmd.Flags().StringVar(&c.layout.Seed, "seed", "", "the cluster's seed, with --shards")
	cmd.Flags().StringVar(&c.id, "id", "", "a name for what the message does: an order's number, for example")
	cmd.Flags().BoolVar(&c.raw, "raw", false, "send the payload as it is, JSON or not")
	return cmd
}

func (c *requestCmd) send(ctx context.Context, to *cluster.ScopedClient, data []byte) ([]byte, error) {
	return to.RequestRaw(ctx, c.name, data, c.options()...)
}

func (c *notifyCmd) send(ctx context.Context, to *cluster.ScopedClient, data []byte) ([]byte, error) {
	if !c.noAck {
		return nil, to.NotifyRaw(ctx, c.name, data, c.options()...)
	}
	err := to.NotifyRaw(ctx, c.name, data, append(c.options(), cluster.WithoutAck())...)
	if err == nil { // this request leaves the process after the notification
		_, err = to.GetNodeInfo(ctx)
	}
	return nil, err
}

// options are those of the envelope.
func (c *call) options() []cluster.EnvelopeOption {
	if c.id == "" {
		return nil
	}
	return []cluster.EnvelopeOption{cluster.WithID(c.id)}
}

func (c *call) run(ctx context.Context, send sender) error {
	data, err := c.data()
	if err != nil {
		return &failure{exit: exitUsage, code: "usage", msg: err.Error()}
	}
	if c.layout.NumShards == 0 && c.layout.Seed != "" {
		return &failure{exit: exitUsage, code: "usage", msg: "--seed goes with --shards"}
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var kinds []string
	if c.layout.NumShards == 0 {
		seen, err := c.look(ctx)
		if err != nil {
			return err
		}
		c.layout, kinds = seen.Layout, kindsOf(seen)
	}
	client, end, err := c.client(ctx, c.layout)
	if err != nil {
		return err
	}
	defer end()
	to := client.Key(c.key)
	if c.kind != "" {
		to = client.Kind(c.kind).Key(c.key)
	}
	began := c.now()
	reply, err := send(ctx, to, data)
	if err != nil {
		f := callFailed(err)
		switch {
		case errors.Is(err, cluster.ErrUnknownKind) && len(kinds) > 0:
			f.hint = hosted(kinds)
		case errors.Is(err, cluster.ErrDecode) && len(data) == 0:
			f.hint = "the payload is empty: a JSON message without fields is '{}'"
		}
		return f
	}
	out := replyJSON{Kind: c.kind, Key: c.key, Shard: c.layout.Shard(c.key), Type: c.name, TookMs: ms(c.now().Sub(began))}
	if json.Valid(reply) {
		out.Reply = reply
	} else {
		out.ReplyRaw = reply
	}
	return c.emit(out, func(w io.Writer) {
		if len(reply) > 0 {
			fmt.Fprintf(w, "%s\n", bytes.TrimSuffix(reply, []byte("\n")))
		}
	})
}

// data returns the payload.
func (c *call) data() (data []byte, err error) {
	switch file, isFile := strings.CutPrefix(c.payload, "@"); {
	case c.payload == "":
		return nil, nil
	case c.payload == "-":
		data, err = io.ReadAll(c.in)
	case isFile:
		data, err = os.ReadFile(file)
	default:
		data = []byte(c.payload)
	}
	if err == nil && !c.raw && !json.Valid(data) {
		err = fmt.Errorf("the payload is not JSON (--raw sends it anyway): %.60q", data)
	}
	return data, err
}

func kindsOf(c *view.Cluster) []string {
	var kinds []string
	for _, n := range c.Nodes {
		if !n.Final() {
			kinds = append(kinds, n.Kinds...)
		}
	}
	return sortedSet(kinds)
}
