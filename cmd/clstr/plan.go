// The command plan: what would move

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
)

type planJSON struct {
	NumShards uint32        `json:"num_shards"`
	Moves     int           `json:"moves"`
	Pending   int           `json:"pending"`
	Nodes     []balanceJSON `json:"nodes"`
	Flows     []flowJSON    `json:"flows"`
}

type balanceJSON struct {
	Name   string `json:"name"`
	Before int    `json:"before"`
	After  int    `json:"after"`
}

type flowJSON struct {
	From   string   `json:"from"`
	To     string   `json:"to"`
	Shards []uint32 `json:"shards"`
}

type planCmd struct {
	*app
	add, remove []string
}

func (c *planCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan [--remove NODE]... [--add NODE[:WEIGHT]]...",
		Short: "Say what would move if nodes came or went",
		Long: `Say which shards would move, and between which nodes, if nodes came or went.
Nothing is changed. Without --add and --remove it says what is about to move
now.

A node that comes takes some shards from each other node. A node that goes
leaves its shards to the others. No other shard moves.

JSON: num_shards, moves, pending (how many of the moves happen in any case),
nodes, a list of: name, before, after; and flows, a list of: from, to (empty
if no node takes them), shards.`,
		Example: `  clstr plan --remove node-a
  clstr plan --add node-d:2 --add node-e
  clstr plan --json --remove node-a | jq .moves`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			changes, err := parseChanges(c.add, c.remove)
			if err != nil {
				return &failure{exit: exitUsage, code: "usage", msg: err.Error()}
			}
			return c.run(cmd.Context(), changes)
		},
	}
	cmd.Flags().StringArrayVar(&c.add, "add", nil, "a node that would come, with its weight after a colon (default 1)")
	cmd.Flags().StringArrayVar(&c.remove, "remove", nil, "a node that would go")
	_ = cmd.RegisterFlagCompletionFunc("remove", c.nodeNames) // the errors are for flags that do not exist
	_ = cmd.RegisterFlagCompletionFunc("add", cobra.NoFileCompletions)
	return cmd
}

func parseChanges(add, remove []string) ([]view.Change, error) {
	var changes []view.Change
	for _, arg := range add {
		c := view.Change{Name: arg, Weight: 1}
		if i := strings.LastIndexByte(arg, ':'); i >= 0 {
			if w, err := strconv.ParseFloat(arg[i+1:], 64); err == nil {
				c = view.Change{Name: arg[:i], Weight: w}
			}
		}
		if record.CheckName(c.Name) != nil || !(c.Weight > 0 && c.Weight <= 1e6) {
			return nil, fmt.Errorf("--add %q: want NODE or NODE:WEIGHT. A node's name has letters, digits, - and _; a weight is above 0 and at most 1,000,000", arg)
		}
		changes = append(changes, c)
	}
	for _, arg := range remove {
		changes = append(changes, view.Change{Name: arg})
	}
	return changes, nil
}

func (c *planCmd) run(ctx context.Context, changes []view.Change) error {
	seen, err := c.look(ctx)
	if err != nil {
		return err
	}
	p, err := seen.Plan(changes)
	var unknown *view.UnknownNodeError
	switch {
	case errors.As(err, &unknown):
		return err
	case err != nil:
		return &failure{exit: exitUsage, code: "usage", msg: err.Error()}
	}
	out := planJSON{seen.Layout.NumShards, p.Moves, p.Pending, []balanceJSON{}, []flowJSON{}}
	counts := [][]string{{"NODE", "NOW", "THEN", "CHANGE"}}
	for _, b := range p.Nodes {
		out.Nodes = append(out.Nodes, balanceJSON(b))
		counts = append(counts, []string{b.Name, number(b.Before), number(b.After), fmt.Sprintf("%+d", b.After-b.Before)})
	}
	moves := [][]string{{"FROM", "TO", "COUNT", "SHARDS"}}
	for _, f := range p.Flows {
		out.Flows = append(out.Flows, flowJSON(f))
		moves = append(moves, []string{orNobody(f.From), orNobody(f.To), number(len(f.Shards)), ranges(f.Shards)})
	}
	return c.emit(out, func(w io.Writer) {
		text := fmt.Sprintf("%d of %d shards would move", p.Moves, seen.Layout.NumShards)
		if p.Pending > 0 && len(changes) > 0 {
			text += fmt.Sprintf(", %d of them in any case: the cluster has not settled", p.Pending)
		}
		c.outTerm.prose(w, plain, "", text)
		fmt.Fprintln(w)
		c.outTerm.print(w, table{rows: counts})
		if p.Moves > 0 {
			fmt.Fprintln(w)
			c.outTerm.print(w, table{rows: moves})
		}
	})
}

func orNobody(name string) string {
	if name == "" {
		return "(nobody)"
	}
	return name
}
