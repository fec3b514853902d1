// The command shards: which node owns which shard

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
)

type shardsJSON struct {
	Prefix    string      `json:"prefix"`
	NumShards uint32      `json:"num_shards"`
	Shards    []shardJSON `json:"shards"`
}

type shardJSON struct {
	Shard            uint32  `json:"shard"`
	Owner            string  `json:"owner"`
	OwnerIncarnation string  `json:"owner_incarnation"`
	Epoch            uint64  `json:"epoch"`
	Why              string  `json:"why"`
	From             string  `json:"from"`
	PausedMs         float64 `json:"paused_ms"`
	ShouldBe         string  `json:"should_be"`
}

func makeShard(s *view.Shard) shardJSON {
	return shardJSON{
		s.ID, s.Owner.Name, s.Owner.Incarnation, s.Epoch, cmp.Or(s.Why, unreadable(s)), s.From.String(),
		ms(time.Duration(s.PausedUs) * time.Microsecond), s.Target.Name,
	}
}

func unreadable(s *view.Shard) string {
	if s.Unreadable {
		return "unreadable"
	}
	return ""
}

// why says in words how the shard came to its owner.
func why(s *view.Shard) string {
	switch {
	case s.Rev == 0:
		return "no record: no node has claimed it yet, or it was removed"
	case s.Unreadable:
		return "its record is not readable; the node that should own it writes it anew"
	case s.Why == record.Healed:
		return "written anew by " + shortRef(cmp.Or(s.From, s.Owner)) + ": the record before was gone or not readable"
	case s.Why == record.Claimed && s.From.IsZero():
		return "claimed: it had no owner"
	case s.Why == record.Claimed:
		return "claimed from " + shortRef(s.From) + ", which had gone"
	case s.Why == record.HandedOver:
		return fmt.Sprintf("handed over by %s, paused %v", shortRef(s.From), time.Duration(s.PausedUs)*time.Microsecond)
	case s.Why == record.Released:
		return "released by " + shortRef(s.From) + ": no node took shards"
	}
	return s.Why
}

type shardsCmd struct {
	*app
	node string
}

func (c *shardsCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shards",
		Short: "List the shards: owner, epoch, and how it came to them",
		Long: `List the shards of the cluster: which node owns each by its record, in which
epoch, and how that came about. SHOULD BE names the node with the highest
score for the shard, where that is another one (clstr help where). Such a
shard is about to move, or waits for its turn.

JSON: prefix, num_shards, and shards, a list of: shard, owner (empty if none),
owner_incarnation, epoch, why (claim, handoff, release, heal, unreadable; empty
without a record), from (name.incarnation), paused_ms (how long the owner before
had not served it when it handed it over), should_be.`,
		Example: `  clstr shards
  clstr shards --node node-a
  clstr shards --json | jq '[.shards[] | select(.owner != .should_be)] | length'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&c.node, "node", "", "only the shards that this node owns")
	_ = cmd.RegisterFlagCompletionFunc("node", c.nodeNames) // the error is for flags that do not exist
	return cmd
}

func (c *shardsCmd) run(ctx context.Context) error {
	seen, err := c.look(ctx)
	if err != nil {
		return err
	}
	var only *view.Node
	if c.node != "" {
		if only, err = seen.Node(c.node); err != nil {
			return err
		}
	}
	out := shardsJSON{c.prefix, seen.Layout.NumShards, []shardJSON{}}
	rows := [][]string{{"SHARD", "OWNER", "EPOCH", "SHOULD BE", "WHY"}}
	for i := range seen.Shards {
		s := &seen.Shards[i]
		if only != nil && s.Owner != only.Ref {
			continue
		}
		out.Shards = append(out.Shards, makeShard(s))
		should := ""
		if s.Target != s.Owner {
			should = shortRef(s.Target)
		}
		rows = append(rows, []string{number(s.ID), shortRef(s.Owner), number(s.Epoch), should, why(s)})
	}
	return c.emit(out, func(w io.Writer) {
		c.outTerm.print(w, table{rows, func(column, cell string) style {
			if column == "SHOULD BE" && cell != "-" {
				return yellow
			}
			return plain
		}})
	})
}
