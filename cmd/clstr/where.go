package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
)

type whereJSON struct {
	Key string `json:"key"`
	shardJSON
	OwnerState string     `json:"owner_state"`
	Ranks      []rankJSON `json:"ranks"`
}

type rankJSON struct {
	Rank   int     `json:"rank"`
	Node   string  `json:"node"`
	Weight float64 `json:"weight"`
	Score  float64 `json:"score"`
}

func (a *app) where() *cobra.Command {
	return &cobra.Command{
		Use:   "where KEY",
		Short: "Say who owns a key, in which epoch, and why this node",
		Long: `Say which shard a key is in, who owns that, and why.

A key's shard is its hash. A shard's node is the active one with the highest
rendezvous score: its hash with the shard, between 0 and 1, which a weight above 1
lifts (to the power of 1/weight). The table shows all nodes in the order in which they would have the shard,
each if those before it were gone. The record decides: while a shard moves, or an
owner has just died, the owner is not yet the first of the table.

JSON: key, the fields of a shard (clstr help shards), owner_state, and ranks, a list
of: rank, node, weight, score.`,
		Example: `  clstr where user-123
  clstr where user-123 --json | jq -r .owner`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.runWhere(cmd.Context(), args[0]) },
	}
}

func (a *app) runWhere(ctx context.Context, key string) error {
	if key == "" {
		return &failure{exit: exitUsage, code: "usage", msg: "KEY is empty: a key has at least one byte"}
	}
	c, err := a.look(ctx)
	if err != nil {
		return err
	}
	s := &c.Shards[c.Layout.Shard(key)]
	ranks, err := c.Ranks(s.ID)
	if err != nil {
		return err
	}
	out := whereJSON{Key: key, shardJSON: makeShard(s), Ranks: []rankJSON{}}
	owner := "nobody"
	if n := c.ByRef(s.Owner); n != nil {
		out.OwnerState = n.State
		owner = shortRef(s.Owner) + ", " + n.State
	} else if !s.Owner.IsZero() {
		owner = shortRef(s.Owner) + ", which has no record any more"
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
	return a.emit(out, func(w io.Writer) {
		fmt.Fprintf(w, "key    %s\nshard  %d of %d\nowner  %s\nepoch  %d, %s\nwhy    %s\n", printable(key), s.ID, c.Layout.NumShards, owner, s.Epoch, why(s), because(s, c.ByRef(s.Owner), ranks))
		if len(ranks) > 0 {
			fmt.Fprintln(w)
			table(w, rows)
		}
	})
}

// because says why the owner is, or is not yet, who it should be.
func because(s *view.Shard, owner *view.Node, ranks []view.Rank) string {
	if len(ranks) == 0 {
		return "no node takes shards at the moment"
	}
	first := ranks[0].Node
	of := fmt.Sprintf("the first by rendezvous score of %s", count(len(ranks), "active node", "active nodes"))
	switch {
	case first.Ref == s.Owner:
		return "it is " + of
	case s.Owner.IsZero(), owner == nil, owner.Gone():
		return fmt.Sprintf("%s is %s, and is about to claim the shard", first.Name, of)
	}
	return fmt.Sprintf("%s is %s: the shard is about to move there", first.Name, of)
}

// printable shows a key as it is, if it can be shown.
func printable(key string) string {
	for _, r := range key {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return fmt.Sprintf("%q", key)
		}
	}
	return key
}
