package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// nemesis does something to a world under load. It returns when that is over and
// every shard should be served.
type nemesis struct {
	name string
	do   func(w *world)
	// undo makes good what do has done to nodes; nil: nothing is to be done.
	undo func(w *world)
	// servers is how many NATS servers there are; 0 is one.
	servers int
	// far is how long what other servers say takes to the callers' server: where a
	// subscription has ended, and who owns a shard now.
	far time.Duration
	// callers is how many there are; 0 is eight.
	callers int
	// planned: no request may fail.
	planned bool
	// death: the bound on a dead node's shards applies, from the moment that do
	// begins.
	death bool
}

var nemeses = []nemesis{
	{name: "SIGKILL", death: true, do: func(w *world) { w.nodes[1].kill() }, undo: func(w *world) { w.restart(1) }},
	{name: "SIGSTOP, SIGCONT", death: true, do: func(w *world) { w.nodes[2].signal(syscall.SIGSTOP) },
		undo: func(w *world) { w.nodes[2].signal(syscall.SIGCONT) }},
	{name: "network cut", death: true, do: func(w *world) { w.proxies[3].setCut(true) }, undo: func(w *world) { w.proxies[3].setCut(false) }},
	{name: "rolling restart", planned: true, do: rollingRestart},
	{name: "NATS restart", do: func(w *world) { w.bounce(0) }},
	{name: "R3: leader killed", servers: 3, do: func(w *world) { w.bounce(w.leader(members)) }},
	{name: "R3: rolling restart", servers: 3, far: 50 * time.Millisecond, callers: 32, planned: true, do: rollingRestart},
}

func rollingRestart(w *world) {
	for i := range w.nodes {
		w.nodes[i].stop()
		w.restart(i)
	}
}

func TestChaos(t *testing.T) {
	rounds := 1
	if *long {
		rounds = 3
	}
	_, bound := timing(*long)
	var verdicts []verdict
	for round := range rounds {
		for _, n := range nemeses {
			t.Run(fmt.Sprintf("%s/%d", n.name, round), func(t *testing.T) {
				w := newWorld(t, max(1, n.servers), n.far, nodeRole)
				l := startLoad(t, w.client, cmp.Or(n.callers, 8))
				l.more(t, 200)
				began := time.Now()
				n.do(w)
				if n.planned {
					began = time.Now()
				}
				w.served()
				recovered := time.Since(began)
				if n.undo != nil {
					n.undo(w)
				}
				w.served()
				l.more(t, 200)
				history := l.stop()
				var ends sync.WaitGroup
				for _, p := range w.nodes { // at the same moment
					ends.Go(p.stop)
				}
				ends.Wait()
				v := check(t, n.name, history, w.dir)
				v.recovered = recovered
				if n.death {
					v.bound = bound
				}
				v.judge(t, n)
				verdicts = append(verdicts, v)
			})
		}
	}
	t.Logf("\n%s", table(verdicts))
}

// judge fails the test for what is promised and was not kept.
func (v *verdict) judge(t *testing.T, n nemesis) {
	t.Helper()
	for o, count := range v.failed {
		switch {
		case n.planned:
			t.Errorf("%s: %d requests failed, %v: %v", v.name, count, o, v.first[o])
		case o.NeverRan() && !errors.Is(v.first[o], cluster.ErrActivationFailed): // the counters' bucket was away
			t.Errorf("%s: %d requests were not tried until they succeeded (%v): %v", v.name, count, o, v.first[o])
		}
	}
	if v.bound > 0 && v.recovered > v.bound {
		t.Logf("%s: all shards were served again after %v, the bound is %v", v.name, v.recovered, v.bound)
	}
}

func table(verdicts []verdict) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "nemesis\trequests\tmaybe ran\tran and failed\tnever ran\tlongest wait\tserved again\tbound\tactivations")
	for _, v := range verdicts {
		bound := "-"
		if v.bound > 0 {
			bound = v.bound.String()
		}
		activations := "-" // not counted
		if v.activations > 0 {
			activations = fmt.Sprint(v.activations)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%v\t%v\t%s\t%s\n", v.name, v.ok, v.failed[cluster.MaybeRan], v.failed[cluster.RanAndFailed],
			v.failed[cluster.NotSent]+v.failed[cluster.NotStarted], v.longest.Round(time.Millisecond), v.recovered.Round(time.Millisecond), bound, activations)
	}
	_ = w.Flush()
	return b.String()
}
