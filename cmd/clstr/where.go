// The command where: which node owns a key, and why

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
)

type whereJSON struct {
	Kind string `json:"kind,omitempty"`
	Key  string `json:"key"`
	shardJSON
	OwnerState string     `json:"owner_state"`
	OwnerHosts *bool      `json:"owner_hosts_kind,omitempty"`
	Ranks      []rankJSON `json:"ranks"`
}

type rankJSON struct {
	Rank   int     `json:"rank"`
	Node   string  `json:"node"`
	Weight float64 `json:"weight"`
	Score  float64 `json:"score"`
}

type whereCmd struct {
	*app
	kind, key string
}

func (c *whereCmd) command() *cobra.Command {
	return &cobra.Command{
		Use:   "where [KIND] KEY",
		Short: "Say who owns a key, in which epoch, and why this node",
		Long: `Say which shard a key is in, which node owns the shard, and why.

A key's shard is its hash; the kind plays no part in it. With KIND, named as in
clstr request, the command also checks that a node hosts such entities.

Each active node has a score for the shard: the hash of both, as a number
between 0 and 1. A weight above 1 raises it (to the power of 1/weight). The
node with the highest score should own the shard. The table lists all nodes in
that order: if the first goes, the second takes over. The shard's record says
which node owns it now. While a shard moves, or just after its owner has died,
that is not the node with the highest score.

JSON: kind (if given), key, the fields of a shard (clstr help shards),
owner_state, owner_hosts_kind (with a kind), and ranks, a list of: rank, node,
weight, score.`,
		Example: `  clstr where user-123
  clstr where account acc-1
  clstr where user-123 --json | jq -r .owner`,
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.kindNames(cmd, args, start)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.key = args[len(args)-1]
			if len(args) == 2 && args[0] != "-" {
				c.kind = args[0]
			}
			return c.run(cmd.Context())
		},
	}
}

func (c *whereCmd) run(ctx context.Context) error {
	kind, key := c.kind, c.key
	if key == "" {
		return &failure{exit: exitUsage, code: "usage", msg: "KEY is empty: a key has at least one byte"}
	}
	seen, err := c.look(ctx)
	if err != nil {
		return err
	}
	if kinds := kindsOf(seen); kind != "" && !slices.Contains(kinds, kind) {
		return &failure{exit: exitUsage, code: "unknown_kind", msg: fmt.Sprintf("no node hosts the kind %q", kind), hint: hosted(kinds)}
	}
	s := &seen.Shards[seen.Layout.Shard(key)]
	ranks, err := seen.Ranks(s.ID)
	if err != nil {
		return err
	}
	out := whereJSON{Kind: kind, Key: key, shardJSON: makeShard(s), Ranks: []rankJSON{}}
	owner, hosts := "nobody", false
	if n := seen.ByRef(s.Owner); n != nil {
		out.OwnerState = n.State
		owner = shortRef(s.Owner) + ", " + n.State
		hosts = slices.Contains(n.Kinds, kind)
	} else if !s.Owner.IsZero() {
		owner = shortRef(s.Owner) + ", which has no record any more"
	}
	if kind != "" {
		out.OwnerHosts = &hosts
	}
	rows := [][]string{{"RANK", "NODE", "WEIGHT", "SCORE", " "}}
	for i, r := range ranks {
		out.Ranks = append(out.Ranks, rankJSON{i + 1, r.Node.Name, r.Node.Weight, r.Score})
		mark := " "
		if r.Node.Ref == s.Owner {
			mark = "owner"
		}
		rows = append(rows, []string{number(i + 1), r.Node.Name, weight(r.Node.Weight), fmt.Sprintf("%.6f", r.Score), mark})
	}
	return c.emit(out, func(w io.Writer) {
		field := func(label, text string) { c.outTerm.prose(w, bold, fmt.Sprintf("%-7s", label), text) }
		if kind != "" {
			field("kind", printable(kind))
		}
		field("key", printable(key))
		field("shard", fmt.Sprintf("%d of %d", s.ID, seen.Layout.NumShards))
		field("owner", owner)
		if kind != "" && !hosts && !s.Owner.IsZero() {
			field("", fmt.Sprintf("it does not host %s: requests get unknown_kind", printable(kind)))
		}
		field("epoch", fmt.Sprintf("%d, %s", s.Epoch, why(s)))
		field("why", because(s, seen.ByRef(s.Owner), ranks))
		if len(ranks) > 0 {
			fmt.Fprintln(w)
			c.outTerm.print(w, table{rows, func(_, cell string) style {
				if cell == "owner" {
					return green
				}
				return plain
			}})
		}
	})
}

// because says why the owner is the node that should own the shard, or is not yet.
func because(s *view.Shard, owner *view.Node, ranks []view.Rank) string {
	if len(ranks) == 0 {
		return "no node takes shards at the moment"
	}
	first := ranks[0].Node
	of := "is first of " + count(len(ranks), "active node", "active nodes")
	switch {
	case first.Ref == s.Owner:
		return "it " + of
	case s.Owner.IsZero(), owner == nil, owner.Final():
		return fmt.Sprintf("%s %s, and is about to claim the shard", first.Name, of)
	}
	return fmt.Sprintf("%s %s: the shard is about to move there", first.Name, of)
}

// hosted is the hint for a kind that no node hosts.
func hosted(kinds []string) string {
	if len(kinds) == 0 {
		return "the nodes host no kinds: they have one handler, and KIND is - or left out"
	}
	return "the nodes host: " + strings.Join(kinds, ", ")
}
