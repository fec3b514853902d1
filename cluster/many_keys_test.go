package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

// jar is a durable entity that counts how many of it are in memory.
type jar struct {
	Balance int
	all     *jars
}

type jars struct{ made, ended, most atomic.Int64 }

// ofABusyMachine is how long anything may take: hundreds of calls wait for one lock of the store.
const ofABusyMachine = 5 * time.Minute

func (j *jars) begin() {
	made := j.made.Add(1)
	for now, most := made-j.ended.Load(), j.most.Load(); now > most && !j.most.CompareAndSwap(most, now); most = j.most.Load() {
	}
}

func (j *jar) put(_ *actor.Context, m add) (total, error) {
	j.Balance += m.N
	return total{j.Balance}, nil
}

func (j *jars) handler(p actor.Persistence) cluster.ServerHandlerFunc {
	def := actor.Define("jar", func(string) *jar { return &jar{all: j} }, actor.Durable(p), actor.OnRequest((*jar).put),
		actor.OnActivate(func(a *jar, _ *actor.Context) error { a.all.begin(); return nil }),
		actor.OnPassivate(func(a *jar, _ *actor.Context) error { a.all.ended.Add(1); return nil }))
	return handlers.NewActorHandlerWithOpts(def.New, handlers.Options{CacheSize: 32, HookTimeout: ofABusyMachine})
}

// TestManyDurableKeys: 4,000 keys at once go through room for a few, so that each is activated, stored and
// passivated again and again, by a write-through and a write-behind kind; over NATS half of them. All
// sums are right in the end, what watches them is told nothing twice and nothing older, and nothing is left in memory.
func TestManyDurableKeys(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, tr testkit.TransportKind) {
		testkit.CheckLeaks(t)
		var store state.Store = memstate.New()
		if tr == testkit.NATS {
			s, err := natsstate.Open(t.Context(), natsstate.Options{Memory: true, Log: quiet,
				URL: testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			store = s
		}
		var through, behind jars
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: tr, Nodes: 2, NumShards: 64, State: store, Limits: transport.Limits{HandlerTimeout: ofABusyMachine}, Kinds: map[string]cluster.ServerHandlerFunc{
			"jar":    through.handler(actor.Persistence{}),
			"behind": behind.handler(actor.Persistence{Behind: 10 * time.Millisecond}),
		}})
		const callers, rounds = 400, 2
		keys := 4_000
		if tr == testkit.NATS {
			keys = 2_000
		}
		name := func(i int) (kind, key string) { return []string{"jar", "behind"}[i%2], fmt.Sprint("j", i) }
		amount := func(i, round int) int { return 1 + (i+round)%5 }
		sums := make([]int, keys)
		for i := range sums {
			for round := range rounds {
				sums[i] += amount(i, round)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), ofABusyMachine)
		defer cancel()
		var watches sync.WaitGroup
		for i := 0; i < keys; i += keys/40 + 1 {
			kind, key := name(i)
			watches.Go(func() { watchJar(ctx, t, c.Client().Kind(kind).Key(key), sums[i]) })
		}
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for round := range rounds {
					for _, n := range rand.Perm(keys / callers) {
						i := (n*callers + caller + 7*round) % keys
						kind, key := name(i)
						var opts []cluster.EnvelopeOption
						if i%3 == 0 {
							opts = append(opts, cluster.Once())
						}
						if _, err := cluster.NewRequest[add, total](c.Client().Kind(kind).Key(key)).Request(ctx, add{amount(i, round)}, opts...); err != nil {
							t.Errorf("%s %s: %v", kind, key, err)
							return
						}
					}
				}
			})
		}
		all.Wait()
		watches.Wait()
		for _, id := range c.Nodes() {
			c.StopNode(id)
		}
		for i, want := range sums {
			kind, key := name(i)
			var got jar
			if r := c.Stored(kind, key); r == nil {
				t.Errorf("nothing is stored of %s %s", kind, key)
			} else if err := json.Unmarshal(r.State, &got); err != nil || got.Balance != want {
				t.Errorf("%s %s: %s, %v; want %d", kind, key, r.State, err, want)
			}
		}
		for kind, j := range map[string]*jars{"jar": &through, "behind": &behind} {
			made, ended, most := j.made.Load(), j.ended.Load(), j.most.Load()
			if made != ended || made < int64(keys/2) || most > int64(keys/4) {
				t.Errorf("%s: %d were activated and %d passivated, %d of them at once at most", kind, made, ended, most)
			}
			t.Logf("%s: %d activations, at most %d at once", kind, made, most)
		}
	})
}

// watchJar follows a jar until it has a balance.
func watchJar(ctx context.Context, t *testing.T, key *cluster.ScopedClient, want int) {
	last, balance := state.Rev(0), 0
	for change, err := range cluster.Watch[jar](ctx, key) {
		switch {
		case err != nil:
			t.Errorf("a watch is told %v", err)
		case change.Deleted && last > 0 || change.Rev <= last && !change.Deleted || change.State.Balance < balance:
			t.Errorf("a watch is told %+v after %d at revision %d", change, balance, last)
		}
		last, balance = change.Rev, change.State.Balance
		if balance == want {
			return
		}
	}
	t.Errorf("a watch ends with %d, want %d", balance, want)
}
