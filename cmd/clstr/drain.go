package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/drainer"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/membership"
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

// drainFlags are the command's.
type drainFlags struct {
	wait         time.Duration
	force, probe bool
}

func (a *app) drain() *cobra.Command {
	var f drainFlags
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Ask a node to hand over its shards and leave, and watch it",
		Long: `Ask a node to leave, and wait until it has: it hands its shards over, a few at a time,
and callers see a pause. The node ends as if it had been told to stop: Node.Run
returns nil in its process. What starts the process again brings it back, as a new
incarnation; where that is not wanted, stop the process, which drains too.

The wish is written into the node's record, as its state, so it takes a NATS user
who may write the cluster's records. It cannot be taken back. Interrupting the
command, or the end of --wait, ends only the watching.

What it has cost is what the shards' records say. The pause of a shard is from when the
old owner began to drain it until it handed it over; the new owner's part, to open it, is
not in that. Parked are calls that came, or waited, while the shard's work came to its
end, and were refused before they began: clients try them again at the next owner.
Dropped are notifications that were sent without an acknowledgement and met the move.
Lost is what the node had accepted and not ended within its drain timeout (10 s by
default): requests that were cut off, whose callers were told that they may have run, and
acknowledged notifications. If anything was lost the exit code is 9, and the node's log
has the shards. A second drain of a node that leaves already only watches, and counts
from then on (since_watched).

With --probe the command itself sends requests (clstr.node.info) to the shards that
move, up to 2,000 a second, and counts what callers see: how many were answered,
how many failed, and the longest wait. That takes the permissions of a client, too: see
clstr help connection.

NODE is a name, or name.incarnation where several processes have one name. The last
node that takes shards is not drained without --force: nobody would serve.

JSON: node, incarnation, state (left, or leaving if it was not waited for), moved, to
(shards by node), released (nobody took them), claimed (taken by others without a
hand-over), pause_ms (p50, p99, max, or null), parked, dropped, lost,
took_ms, and with --probe probes:
sent, answered, failed, codes (failures by code), longest_ms.`,
		Example: `  clstr drain node-a
  clstr drain node-a --probe
  clstr drain node-a --wait 0        # only ask`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.nodeNames(cmd, args, start)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runDrain(cmd.Context(), args[0], f) },
	}
	cmd.Flags().DurationVar(&f.wait, "wait", 5*time.Minute, "how long to wait until the node has left; 0 only asks")
	cmd.Flags().BoolVar(&f.force, "force", false, "also if nobody is left to take the shards")
	cmd.Flags().BoolVar(&f.probe, "probe", false, "send requests to the shards meanwhile, and say what became of them")
	return cmd
}

func (a *app) runDrain(ctx context.Context, name string, f drainFlags) error {
	asking, cancel := a.bounded(ctx)
	defer cancel()
	s, err := a.connect(asking)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := drainer.New(s.store)
	if err != nil {
		return err
	}
	defer d.Close()
	c, err := view.Load(asking, s.store)
	if err != nil {
		return err
	}
	n, err := c.Node(name)
	if err != nil {
		return err
	}
	if n.State == membership.Active && c.Takers() == 1 && !f.force {
		return &failure{exit: exitRefused, code: "refused", msg: fmt.Sprintf("node %s is the only one that takes shards: nobody would serve them", n.Name),
			hint: "start another node first, or say --force"}
	}
	var p *probing
	if f.probe {
		if p, err = a.startProbing(ctx, asking, c, n); err != nil {
			return err
		}
		defer p.stop()
	}
	began := a.now()
	if err := d.Ask(asking, n.Ref); err != nil {
		return err
	}
	report := drainer.Report{State: membership.Leaving}
	if f.wait > 0 {
		report, err = a.watchDrain(ctx, d, f.wait)
		if err != nil {
			return err
		}
	}
	out := drainJSON{
		Node: n.Name, Incarnation: n.Incarnation, State: report.State, Moved: report.Moved(), To: report.To,
		Released: report.Released, Claimed: report.Claimed, PauseMs: summary(report.Pauses),
		Parked: report.Cost.Parked, Dropped: report.Cost.Dropped, Lost: report.Cost.Lost, Since: report.Since, TookMs: ms(a.now().Sub(began)),
	}
	if out.To == nil {
		out.To = map[string]int{}
	}
	if p != nil {
		out.Probes = p.stop()
	}
	if err := a.emit(out, func(w io.Writer) { out.print(w, n) }); err != nil || out.Lost == 0 {
		return err
	}
	return &failure{exit: exitLost, code: "lost",
		msg:  fmt.Sprintf("of what node %s had accepted, %s did not end in its drain timeout", n.Name, count(int(out.Lost), "call", "calls")),
		hint: "its log says what; NodeOptions.DrainTimeout gives them longer"}
}

// watchDrain waits for the end and shows how far it is.
func (a *app) watchDrain(ctx context.Context, d *drainer.Drainer, wait time.Duration) (drainer.Report, error) {
	bar := a.newBar("draining " + shortRef(d.Ref()))
	waiting, cancel := context.WithTimeout(ctx, wait)
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
			msg:  fmt.Sprintf("node %s still leaves after %v: %d shards have moved, %d have not, %d calls were lost", d.Ref().Name, wait, report.Moved(), report.Remaining, report.Cost.Lost),
			hint: "it goes on by itself: clstr nodes shows it, and clstr drain once more watches on"}
	}
	return report, err
}

func (out *drainJSON) print(w io.Writer, n *view.Node) {
	if out.State != membership.Left {
		fmt.Fprintf(w, "asked %s to leave\n", shortRef(n.Ref))
	} else {
		fmt.Fprintf(w, "%s has left after %s\n", shortRef(n.Ref), took(time.Duration(out.TookMs*float64(time.Millisecond))))
		var to []string
		for _, name := range slices.Sorted(maps.Keys(out.To)) {
			to = append(to, fmt.Sprintf("%s %d", name, out.To[name]))
		}
		fmt.Fprintf(w, "moved   %s", count(out.Moved, "shard", "shards"))
		if len(to) > 0 {
			fmt.Fprintf(w, ": %s", strings.Join(to, ", "))
		}
		fmt.Fprintln(w)
	}
	if out.Released > 0 {
		fmt.Fprintf(w, "free    %s: nobody took them\n", count(out.Released, "shard", "shards"))
	}
	if out.Claimed > 0 {
		fmt.Fprintf(w, "claimed %s: others took them without a hand-over\n", count(out.Claimed, "shard", "shards"))
	}
	if out.PauseMs != nil {
		fmt.Fprintf(w, "pause   %v (the old owner's part; the new one's, to open a shard, comes on top)\n", out.PauseMs)
	}
	if out.State == membership.Left {
		if out.Since {
			fmt.Fprintf(w, "it was leaving already: what follows is since this command watches\n")
		}
		fmt.Fprintf(w, "parked  %d calls that had not begun, for the next owner\n", out.Parked)
		if out.Dropped > 0 {
			fmt.Fprintf(w, "dropped %d of the notifications without an acknowledgement\n", out.Dropped)
		}
		fmt.Fprintf(w, "lost    %d\n", out.Lost)
	}
	if p := out.Probes; p != nil {
		fmt.Fprintf(w, "probes  %d sent, %d answered, %d failed%s; longest wait %v ms\n", p.Sent, p.Answered, p.Failed, p.codes(), p.LongestMs)
	}
}
