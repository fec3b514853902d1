// The command state: what entities have stored

package main

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
	"github.com/clstr-go/clstr/state"
)

type stateCmd struct{ *app }

func (c *stateCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state COMMAND",
		Short: "Look at the state that entities have stored, and mend it",
		Long: `Look at the state that durable entities have stored in JetStream, back up and
mend single records, and find those that nothing can read.

The commands ask the NATS server and no node. So they answer while no node
runs, and see what was stored a moment ago. --prefix names the cluster: for a
service it is the service's name.

show, export, list and check only read. import and delete write, and ask
before they do (--yes does not ask). Writing takes the state of the key's shard
away from the node that serves the shard:

  The node notices at its next change in the shard, or when it loads a key
  of the shard. It drops the shard's keys from memory, and their callers get
  "deposed": nothing was kept. A node of a live cluster (with a Membership)
  opens the shard again about a second later, and finds what was written. A
  node with a fixed list does so only after a restart. For such a node --yes
  is not enough: stop it first, or say --depose.

Until the node notices, it may answer reads of the key from its memory.`,
		Example: `  clstr state list account
  clstr state show account acc-1
  clstr state export account acc-1 > acc-1.json
  clstr state check --json | jq -r '.bad[].key'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	key := stateKey{shelf: shelf{c.app}}
	for _, sub := range []subcommand{
		&stateShowCmd{key}, &stateExportCmd{key}, &stateListCmd{shelf: key.shelf}, &stateCheckCmd{key.shelf},
		&stateImportCmd{stateWrite: stateWrite{stateKey: key}}, &stateDeleteCmd{stateWrite{stateKey: key}},
	} {
		cmd.AddCommand(sub.command())
	}
	return cmd
}

// stateKey is a command on one key.
type stateKey struct {
	shelf
	kind, key string
	base64    bool
}

// flags adds those of a key, and what completes a kind. run gets the arguments behind the key.
func (c *stateKey) flags(cmd *cobra.Command, run func(ctx context.Context, rest []string) error) *cobra.Command {
	cmd.Flags().BoolVar(&c.base64, "base64", false, "KEY is base64, as key_base64 in JSON")
	cmd.ValidArgsFunction = c.kindNames
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.kind, c.key = args[0], args[1]
		if c.base64 {
			b, err := base64.StdEncoding.DecodeString(c.key)
			if err != nil {
				return &failure{exit: exitUsage, code: "usage", msg: fmt.Sprintf("KEY is not base64: %v", err)}
			}
			c.key = string(b)
		}
		if err := state.CheckKey(c.kind, c.key); err != nil {
			return &failure{exit: exitUsage, code: "usage", msg: err.Error()}
		}
		return run(cmd.Context(), args[2:])
	}
	return cmd
}

// named is how the key is told.
func (c *stateKey) named() string { return printable(c.kind) + " " + printable(c.key) }

// find returns the key's record, and nil without an error where there is none.
func (c *stateKey) find(ctx context.Context, s stored.Store) (*state.Entry, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	e, err := stored.Find(ctx, s, c.kind, c.key)
	if err != nil {
		return nil, c.stateFailed(err)
	}
	return e, nil
}

func (c *stateKey) missing() *failure {
	return &failure{exit: exitNoRecord, code: "no_record", msg: fmt.Sprintf("nothing is stored of %s", c.named()),
		hint: fmt.Sprintf("clstr state list %s lists the keys; --base64 is for keys that no terminal shows", printable(c.kind))}
}

// document makes the document of a record.
func (c *stateKey) document(ctx context.Context, s stored.Store, e *state.Entry) (stored.Document, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	sign, _, err := s.Fence(ctx, e.Shard)
	return stored.NewDocument(*e, sign.Cluster), err
}
