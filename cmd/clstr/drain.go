// The command drain: asks a node to leave, and reports

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/drainer"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
)

type drainJSON struct {
	Node        string         `json:"node"`
	Incarnation string         `json:"incarnation"`
	State       string         `json:"state"`
	Moved       int            `json:"moved"`
	To          map[string]int `json:"to"`
	Released    int            `json:"released"`
	Claimed     int            `json:"claimed"`
	PauseMs     *pauses        `json:"pause_ms"`
	Parked      uint32         `json:"parked"`
	Dropped     uint32         `json:"dropped"`
	Lost        uint32         `json:"lost"`
	Since       bool           `json:"since_watched,omitempty"`
	TookMs      float64        `json:"took_ms"`
	Probes      *probesJSON    `json:"probes,omitempty"`
}

type drainCmd struct {
	*app
	wait         time.Duration
	force, probe bool
}

func (c *drainCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Ask a node to hand over its shards and leave, and watch it",
		Long: `Ask a node to leave, and wait until it has. The node hands its shards over, a
few at a time, and callers see a pause. It ends as if it had been told to
stop: in its process Node.Run returns nil. A supervisor that restarts the
process brings the node back, as a new incarnation. To keep it away, stop the
process instead: that drains too.

The command writes the wish into the node's record, so it needs a NATS user that
may write the cluster's records. The wish cannot be taken back. If you interrupt
the command, or --wait ends, the node goes on leaving.

The report comes from the records of the shards that have moved:

  pause    from the start of a shard's drain to its hand-over. The new owner's
           time to open the shard comes on top.
  parked   calls that came during the move and were refused before they began.
           Their clients send them again, to the next owner.
  dropped  notifications without an acknowledgement that met the move
  lost     calls that the node had accepted and that did not end within its
           drain timeout (15 s by default). Requests among them were cut off,
           and their callers were told that they may have run. The exit code
           is 9, and the node's log names the shards.

A second drain of a node that is leaving only watches, and its report begins
there (since_watched).

With --probe the command sends requests (clstr.node.info) to the shards that
move, up to 2,000 a second, and reports what became of them and the longest
wait. That also needs the permissions of a client: clstr help connection.

NODE is a name, or name.incarnation if several processes have one name. The last
node that takes shards is not drained without --force: no node would serve.

JSON: node, incarnation, state (left, or leaving if the command did not wait),
moved, to (shards by node), released (no node took them), claimed (taken by
others without a hand-over), pause_ms (p50, p99, max, or null), parked,
dropped, lost, since_watched, took_ms, and with --probe probes: sent,
answered, failed, codes (failures by code), longest_ms.`,
		Example: `  clstr drain node-a
  clstr drain node-a --probe
  clstr drain node-a --wait 0        # only ask`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.nodeNames(cmd, args, start)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().DurationVar(&c.wait, "wait", 5*time.Minute, "how long to wait for the node to leave; 0 only asks")
	cmd.Flags().BoolVar(&c.force, "force", false, "even if no other node can take the shards")
	cmd.Flags().BoolVar(&c.probe, "probe", false, "send requests to the shards as they move, and report them")
	return cmd
}

func (c *drainCmd) run(ctx context.Context, name string) error {
	asking, cancel := c.bounded(ctx)
	defer cancel()
	s, err := c.connect(asking)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := drainer.New(s.store)
	if err != nil {
		return err
	}
	defer d.Close()
	seen, err := view.Load(asking, s.store)
	if err != nil {
		return err
	}
	n, err := seen.Node(name)
	if err != nil {
		return err
	}
	if n.State == record.Active && seen.Takers() == 1 && !c.force {
		return &failure{exit: exitRefused, code: "refused", msg: fmt.Sprintf("node %s is the only one that takes shards: no node would serve them", n.Name),
			hint: "start another node first, or use --force"}
	}
	var p *probing
	if c.probe {
		if p, err = c.startProbing(ctx, asking, seen, n); err != nil {
			return err
		}
		defer p.stop()
	}
	began := c.now()
	if err := d.Ask(asking, n.Ref); err != nil {
		return err
	}
	report := drainer.Report{State: record.Leaving}
	if c.wait > 0 {
		report, err = c.watch(ctx, d)
		if err != nil {
			return err
		}
	}
	out := drainJSON{
		Node: n.Name, Incarnation: n.Incarnation, State: report.State, Moved: report.Moved(), To: report.To,
		Released: report.Released, Claimed: report.Claimed, PauseMs: summary(report.Pauses),
		Parked: report.Cost.Parked, Dropped: report.Cost.Dropped, Lost: report.Cost.Lost, Since: report.Since, TookMs: ms(c.now().Sub(began)),
	}
	if out.To == nil {
		out.To = map[string]int{}
	}
	if p != nil {
		out.Probes = p.stop()
	}
	if err := c.emit(out, func(w io.Writer) { out.print(w, c.outTerm, n) }); err != nil || out.Lost == 0 {
		return err
	}
	return &failure{exit: exitLost, code: "lost",
		msg:  fmt.Sprintf("%s that node %s had accepted did not end within its drain timeout", count(int(out.Lost), "call", "calls"), n.Name),
		hint: "its log names the shards; a longer NodeOptions.DrainTimeout gives calls more time"}
}

// watch waits until the node has left, and shows the progress.
func (c *drainCmd) watch(ctx context.Context, d *drainer.Drainer) (drainer.Report, error) {
	bar := newBar(&c.output, c.now, "draining "+shortRef(d.Ref()))
	waiting, cancel := context.WithTimeout(ctx, c.wait)
	report, err := d.Wait(waiting, bar.show)
	over := waiting.Err() != nil
	cancel()
	bar.end()
	switch {
	case err == nil:
		return report, nil
	case ctx.Err() != nil:
		return report, &failure{exit: exitFailure, code: "interrupted", msg: fmt.Sprintf("interrupted: node %s goes on leaving", d.Ref().Name)}
	case over:
		return report, &failure{exit: exitUnfinished, code: "unfinished",
			msg:  fmt.Sprintf("node %s is still leaving after %v: %d shards have moved, %d have not, %d calls were lost", d.Ref().Name, c.wait, report.Moved(), report.Remaining, report.Cost.Lost),
			hint: "it goes on leaving: clstr nodes shows how far it is, and clstr drain watches it again"}
	}
	return report, err
}

func (out *drainJSON) print(w io.Writer, t terminal, n *view.Node) {
	field := func(s style, label, format string, args ...any) {
		t.prose(w, s, fmt.Sprintf("%-8s", label), fmt.Sprintf(format, args...))
	}
	if out.State != record.Left {
		t.prose(w, plain, "", fmt.Sprintf("asked %s to leave", shortRef(n.Ref)))
	} else {
		t.prose(w, plain, "", fmt.Sprintf("%s has left after %s", shortRef(n.Ref), took(time.Duration(out.TookMs*float64(time.Millisecond)))))
		text := count(out.Moved, "shard", "shards")
		for i, name := range slices.Sorted(maps.Keys(out.To)) {
			text += []string{": ", ", "}[min(i, 1)] + fmt.Sprintf("%s %d", name, out.To[name])
		}
		field(bold, "moved", "%s", text)
	}
	if out.Released > 0 {
		field(yellow, "free", "%s: no node took them", count(out.Released, "shard", "shards"))
	}
	if out.Claimed > 0 {
		field(yellow, "claimed", "%s: others took them without a hand-over", count(out.Claimed, "shard", "shards"))
	}
	if out.PauseMs != nil {
		field(bold, "pause", "%v", out.PauseMs)
		field(bold, "", "from the start of a shard's drain until its hand-over")
	}
	if out.State == record.Left {
		if out.Since {
			t.prose(w, plain, "", "it was leaving already; the counts below begin with this command:")
		}
		parked := "%s"
		if out.Parked > 0 {
			parked += " had not begun: clients send them to the next owner"
		}
		field(bold, "parked", parked, count(int(out.Parked), "call", "calls"))
		if out.Dropped > 0 {
			field(yellow, "dropped", "%s without an acknowledgement", count(int(out.Dropped), "notification", "notifications"))
		}
		s := bold
		if out.Lost > 0 {
			s = red
		}
		field(s, "lost", "%s", count(int(out.Lost), "call", "calls"))
	}
	if p := out.Probes; p != nil {
		field(bold, "probes", "%d sent, %d answered, %d failed%s; longest wait %v ms", p.Sent, p.Answered, p.Failed, p.codes(), p.LongestMs)
	}
}
