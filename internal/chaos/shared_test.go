package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/clstr-go/clstr/cluster"
)

// This file is what TestChaos and TestDurableChaos have in common: what a nemesis is and how it strikes,
// the callers, and what is made of the history that they have seen. What they call, and what their
// answers are compared with, differs: load_test.go and check_test.go, durable_load_test.go and
// durable_check_test.go.

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
	// subscription has ended, and which node owns a shard now.
	far time.Duration
	// callers is how many there are; 0 is eight.
	callers int
	// planned: no request may fail.
	planned bool
	// replaced: no request may fail but for what the counters' own connections lose.
	replaced bool
	// death: the bound on a dead node's shards applies, from the moment that do
	// begins. deaf: two renewals later, because the node must notice first.
	death, deaf bool
	// keepsLeases: no node may lose its lease. keepsLongLeases: that holds for the default timing.
	keepsLeases, keepsLongLeases bool
}

// unleash has each nemesis strike a world of its own: several at a time, as most of that is waiting for
// leases, and one after the other with -long, which measures.
func unleash(t *testing.T, all []nemesis, strike func(t *testing.T, n nemesis) *verdict) []*verdict {
	t.Helper()
	rounds := 1
	if *long {
		rounds = 3
	}
	verdicts := make([]*verdict, rounds*len(all))
	t.Run("all", func(t *testing.T) {
		for i := range verdicts {
			n := all[i%len(all)]
			t.Run(fmt.Sprintf("%s/%d", n.name, i/len(all)), func(t *testing.T) {
				if !*long {
					t.Parallel()
				}
				verdicts[i] = strike(t, n)
			})
		}
	})
	return slices.DeleteFunc(verdicts, func(v *verdict) bool { return v == nil }) // of those that have failed early
}

// strike starts a world with the nemesis's callers, and returns it with what they saw when all nodes have
// ended, and how long it took until every shard was served again.
func (n nemesis) strike(t *testing.T, role string, ask func(c *callers, op string)) (w *world, history []command, recovered time.Duration) {
	t.Helper()
	w = newWorld(t, n, role)
	c := startCallers(t, w.client, cmp.Or(n.callers, 8), ask)
	c.more(t, 200)
	began := time.Now()
	n.do(w)
	if n.planned {
		began = time.Now()
	}
	w.served()
	recovered = time.Since(began)
	if n.undo != nil {
		n.undo(w)
	}
	w.served()
	c.more(t, 200)
	history = c.stop()
	var ends sync.WaitGroup
	for _, p := range w.nodes { // at the same moment
		ends.Go(p.stop)
	}
	ends.Wait()
	return w, history, recovered
}

const (
	// unknowns is after how many operations of unknown outcome a key is left: a
	// checker would not come to an end.
	unknowns = 6
	deadline = 30 * time.Second
)

// command is what a caller asked of a key, and what it was told.
type command struct {
	op         string // names an increment or a write; empty: a read
	kind, key  string
	call, done time.Duration
	n          uint64 // an increment's reply
	read       string // a read's
	err        error
}

// callers ask, one after the other each.
type callers struct {
	client *cluster.Client
	begun  time.Time
	over   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	history []command
	ok      int
	spoilt  map[string]int // by kind and key: how many unknown outcomes
}

// startCallers starts some. ask sends a command with a name: it finds a key for it, and notes what has
// become of it.
func startCallers(t *testing.T, tr cluster.ClientTransport, many int, ask func(c *callers, op string)) *callers {
	t.Helper()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		t.Fatal(err)
	}
	c := &callers{client: client, begun: time.Now(), over: make(chan struct{}), spoilt: map[string]int{}}
	for caller := range many {
		c.wg.Go(func() { // ends at over
			for i := 0; ; i++ {
				select {
				case <-c.over:
					return
				case <-time.After(5 * time.Millisecond): // some load, not all that there can be
				}
				ask(c, fmt.Sprint(caller, "-", i))
			}
		})
	}
	return c
}

// key is one of a kind's keys, any: so that several callers meet at each, and do there all that they
// do.
func (c *callers) key(kind string, keys int) string {
	number := rand.N(keys)
	c.mu.Lock()
	defer c.mu.Unlock()
	for life := 0; ; life++ {
		if key := fmt.Sprintf("key-%d-%d", number, life); c.spoilt[kind+key] < unknowns {
			return key
		}
	}
}

// note takes a command that has ended. What spoils its key's history is what may have had an effect
// and was not answered.
func (c *callers) note(cmd command, spoils bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, cmd)
	if cmd.err == nil {
		c.ok++
	} else if spoils {
		c.spoilt[cmd.kind+cmd.key]++
	}
}

func (c *callers) succeeded() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ok
}

// more returns when n further commands have succeeded.
func (c *callers) more(t *testing.T, n int) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	giveUp := time.After(2 * deadline)
	for want := c.succeeded() + n; c.succeeded() < want; {
		select {
		case <-again.C:
		case <-giveUp:
			t.Fatalf("%d requests have not succeeded within %v", n, 2*deadline)
		}
	}
}

// stop returns what was seen, when the last caller has ended.
func (c *callers) stop() []command {
	close(c.over)
	c.wg.Wait()
	return c.history
}

// counterModel is a counter whose increments of unknown outcome may have happened.
var counterModel = func() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{uint64(0)} },
		Step: func(at, _, output any) []any {
			n := at.(uint64)
			switch c := output.(command); {
			case c.err != nil:
				return []any{n, n + 1}
			case c.n == n+1:
				return []any{c.n}
			}
			return nil
		},
	}
	return m.ToModel()
}()

// verdict is what one run has shown.
type verdict struct {
	name        string
	ok          int
	failed      map[cluster.Outcome]int
	first       map[cluster.Outcome]error
	longest     time.Duration // that a request which succeeded has taken
	doubt       time.Duration // the longest that a caller has waited to be told MaybeRan
	activations int
	leases      []string      // logs of nodes that say that their lease has ended
	recovered   time.Duration // until every shard was served again
	bound       time.Duration // that is promised for it; 0: none
	ops         map[string][]porcupine.Operation
	end         int64 // of what may have taken effect at any time
}

func newVerdict(name string, history []command) *verdict {
	return &verdict{name: name, failed: map[cluster.Outcome]int{}, first: map[cluster.Outcome]error{}, ops: map[string][]porcupine.Operation{},
		end: int64(history[len(history)-1].done) + int64(time.Hour)}
}

func (v *verdict) succeeded(c command) {
	v.ok++
	v.longest = max(v.longest, c.done-c.call)
}

func (v *verdict) failedWith(c command, o cluster.Outcome, err error) {
	if o == cluster.MaybeRan {
		v.doubt = max(v.doubt, c.done-c.call)
	}
	if v.failed[o]++; v.first[o] == nil {
		v.first[o] = err
	}
}

// happened is told of a command that has had its effect, or may have had it.
func (v *verdict) happened(c command) {
	o := porcupine.Operation{Input: c, Output: c, Call: int64(c.call), Return: int64(c.done)}
	if c.err != nil {
		o.Return = v.end
	}
	of := c.kind + " " + c.key
	v.ops[of] = append(v.ops[of], o)
}

// linearizable fails the test for a key whose history is not.
func (v *verdict) linearizable(t testing.TB, models map[string]porcupine.Model) {
	t.Helper()
	for key, ops := range v.ops {
		switch porcupine.CheckOperationsTimeout(models[ops[0].Input.(command).kind], ops, time.Minute) {
		case porcupine.Illegal:
			t.Errorf("%s: the history of %s is not linearizable", v.name, key)
		case porcupine.Unknown:
			t.Errorf("%s: the checker has not come to an end with %s within a minute", v.name, key)
		}
	}
}

// judge fails the test for what is promised and was not kept.
func (v *verdict) judge(t *testing.T, n nemesis, recovered time.Duration) {
	t.Helper()
	v.recovered = recovered
	if t, bound := timing(*long); n.deaf {
		v.bound = bound + 2*t.Renew
	} else if n.death {
		v.bound = bound
	}
	if len(v.leases) > 0 && (n.keepsLeases || n.keepsLongLeases && *long) {
		t.Errorf("%s: leases have ended: %v", n.name, v.leases)
	}
	for o, count := range v.failed {
		t.Logf("%v: %v", o, v.first[o])
		switch {
		case n.planned, n.replaced && o != cluster.RanAndFailed && !errors.Is(v.first[o], cluster.ErrActivationFailed):
			t.Errorf("%s: %d requests failed, %v: %v", v.name, count, o, v.first[o])
		case o.NeverRan() && !errors.Is(v.first[o], cluster.ErrActivationFailed): // the counters' bucket was away
			t.Errorf("%s: %d requests were not tried until they succeeded (%v): %v", v.name, count, o, v.first[o])
		}
	}
	if v.bound > 0 && v.recovered > v.bound {
		t.Logf("%s: all shards were served again after %v, the bound is %v", v.name, v.recovered, v.bound)
	}
}

func table(verdicts []*verdict) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "nemesis\trequests\tmaybe ran\tran and failed\tnever ran\tlongest wait\tlongest doubt\tserved again\tbound\tactivations")
	for _, v := range verdicts {
		bound := "-"
		if v.bound > 0 {
			bound = v.bound.String()
		}
		doubt := "-"
		if v.failed[cluster.MaybeRan] > 0 {
			doubt = v.doubt.Round(time.Millisecond).String()
		}
		activations := "-" // not counted
		if v.activations > 0 {
			activations = fmt.Sprint(v.activations)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%v\t%v\t%v\t%s\t%s\n", v.name, v.ok, v.failed[cluster.MaybeRan], v.failed[cluster.RanAndFailed],
			v.failed[cluster.NotSent]+v.failed[cluster.NotStarted], v.longest.Round(time.Millisecond), doubt, v.recovered.Round(time.Millisecond), bound, activations)
	}
	_ = w.Flush()
	return b.String()
}
