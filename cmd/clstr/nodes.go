// The command nodes: the members of a cluster

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
)

type nodesJSON struct {
	Prefix    string     `json:"prefix"`
	NumShards uint32     `json:"num_shards"`
	Seed      string     `json:"seed"`
	Nodes     []nodeJSON `json:"nodes"`
}

type nodeJSON struct {
	Name        string   `json:"name"`
	Incarnation string   `json:"incarnation"`
	State       string   `json:"state"`
	Shards      int      `json:"shards"`
	ShouldOwn   int      `json:"should_own"`
	Weight      float64  `json:"weight"`
	Zone        string   `json:"zone"`
	Version     string   `json:"version"`
	Kinds       []string `json:"kinds"`
	LeaseMs     int64    `json:"lease_ms"`
	RenewedMs   *int64   `json:"renewed_ms_ago"`
	DeclaredBy  string   `json:"declared_dead_by"`
}

type nodesCmd struct {
	*app
	all bool
}

func (c *nodesCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes: state, shards, weight, zone, version, last renewal",
		Long: `List the nodes of the cluster.

STATE is joining, active, leaving, left, dead or unreadable. A record becomes
unreadable when something other than a node overwrites it. The other nodes then
declare its node dead when the longest lease is over. SHARDS is how many shards
the node owns. An arrow shows how many it should own, if it differs.
RENEWED is how long ago the node renewed its lease, by the clock of the NATS
server.

--all also lists nodes that have left or died. The cluster remembers them for 10
minutes by default, and for as long as shards are still theirs.

JSON: prefix, num_shards, seed, and nodes, a list of: name, incarnation, state,
shards, should_own, weight, zone, version, kinds, lease_ms, renewed_ms_ago (null
if not known), declared_dead_by (name.incarnation).`,
		Example: `  clstr nodes
  clstr nodes --all
  clstr nodes --json | jq -r '.nodes[] | select(.state == "active") | .name'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&c.all, "all", false, "also list nodes that have left or died")
	return cmd
}

func (c *nodesCmd) run(ctx context.Context) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	s, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	seen, err := view.Load(ctx, s.store)
	if err != nil {
		return err
	}
	var ages map[string]time.Duration
	if s.renewals != nil {
		ages, _ = s.renewals(ctx) // without them the table says so
	}
	out := nodesJSON{c.prefix, seen.Layout.NumShards, seen.Layout.Seed, []nodeJSON{}}
	rows := [][]string{{"NAME", "INCARNATION", "STATE", "SHARDS", "WEIGHT", "ZONE", "VERSION", "RENEWED"}}
	hidden := 0
	for _, n := range seen.Nodes {
		if n.Final() && n.Owns == 0 && !c.all {
			hidden++
			continue
		}
		j := nodeJSON{
			Name: n.Name, Incarnation: n.Incarnation, State: n.State, Shards: n.Owns, ShouldOwn: n.Should, Weight: n.Weight,
			Zone: n.Zone, Version: n.Version, Kinds: append([]string{}, n.Kinds...), LeaseMs: n.LeaseMs, DeclaredBy: n.By.String(),
		}
		state, shards, renewed := n.State, number(n.Owns), ""
		if n.Owns != n.Should {
			shards = fmt.Sprintf("%d -> %d", n.Owns, n.Should)
		}
		if n.State == record.Dead {
			state += " (by " + n.By.Name + ")"
		} else if age, ok := ages[record.MemberKey(n.Ref)]; ok && !n.Final() {
			j.RenewedMs = new(age.Milliseconds())
			renewed = fmt.Sprintf("%.1fs ago", age.Seconds())
		}
		out.Nodes = append(out.Nodes, j)
		rows = append(rows, []string{n.Name, short(n.Incarnation), state, shards, weight(n.Weight), n.Zone, n.Version, renewed})
	}
	return c.emit(out, func(w io.Writer) {
		c.outTerm.print(w, table{rows, paintNode})
		if hidden > 0 {
			fmt.Fprintln(w)
			c.outTerm.prose(w, plain, "", fmt.Sprintf("%s left or died not long ago: --all lists them too", count(hidden, "node has", "nodes have")))
		}
	})
}

// paintNode draws attention to what is not as it should be.
func paintNode(column, cell string) style {
	switch {
	case column == "SHARDS" && strings.Contains(cell, "->"):
		return yellow
	case column == "STATE":
		return paintState(cell)
	}
	return plain
}

func paintState(state string) style {
	switch word, _, _ := strings.Cut(state, " "); word {
	case record.Active:
		return green
	case record.Joining, record.Leaving:
		return yellow
	case record.Dead, view.Unreadable:
		return red
	}
	return dim
}
