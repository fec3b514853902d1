package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
)

type (
	slow struct{ Seconds int }
	note struct{}
)

// TestDrainTellsTheCost: of requests that wait when a node is drained, of one that
// goes on for too long, and of notifications behind it.
func TestDrainTellsTheCost(t *testing.T) {
	for _, test := range []struct {
		name    string
		seconds int
		exit    int
		text    string // after its first lines
		json    []string
	}{
		{"all ends in time", 1, exitOK, "parked  3 calls had not begun: clients send them to the next owner\nlost    0 calls\n",
			[]string{`"parked": 3,`, `"dropped": 0,`, `"lost": 0,`}},
		{"one goes on", 60, exitLost, "parked  3 calls had not begun: clients send them to the next owner\ndropped 1 notification without an acknowledgement\nlost    2 calls\n" +
			"clstr: 2 calls that node a had accepted did not end within its drain timeout\n",
			[]string{`"parked": 3,`, `"dropped": 1,`, `"lost": 2,`, `"code": "lost"`, `"exit_code": 9`}},
	} {
		for _, args := range [][]string{{"drain", "a"}, {"drain", "a", "--json"}} {
			t.Run(test.name+strings.Join(args[2:], ""), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { drainUnderWork(t, test.seconds, args, test.exit, test.text, test.json) })
			})
		}
	}
}

// twoNodes runs a and b on records in memory, until stop is called, and returns a key
// of node a's.
func twoNodes(t *testing.T, store membership.Store, handler cluster.ServerHandlerFunc, metrics ...cluster.ClusterMetrics) (key *cluster.ScopedClient, stop func()) {
	t.Helper()
	tr := cluster.NewInMemoryTransport()
	var nodes sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for _, name := range []string{"a", "b"} {
		opts := cluster.NodeOptions{NodeID: name, Transport: tr, Membership: store, NumShards: demoLayout.NumShards,
			Handler: handler, Log: slog.New(slog.DiscardHandler)}
		if len(metrics) > 0 {
			opts.Metrics = metrics[0]
		}
		n := cluster.NewNode(opts)
		nodes.Go(func() { _ = n.Run(ctx) })
		<-n.Ready()
	}
	time.Sleep(time.Minute)
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: demoLayout.NumShards})
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for ; !slices.Contains(cluster.ShardsForNode("a", []string{"a", "b"}, demoLayout.NumShards, ""), cluster.ShardFromString(fmt.Sprint(at), demoLayout.NumShards, "")); at++ {
	}
	return client.Key(fmt.Sprint(at)), func() {
		cancel()
		nodes.Wait()
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
}

func drainUnderWork(t *testing.T, seconds int, args []string, exit int, text string, json []string) {
	store := memstore.New()
	def := actor.Define("slow", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, m slow) (string, error) {
			time.Sleep(time.Duration(m.Seconds) * time.Second)
			return "done", nil
		}),
		actor.OnNotify(func(*struct{}, *actor.Context, note) error { return nil }))
	key, stop := twoNodes(t, store, cluster.NewActorHandler(def.New))
	var calls sync.WaitGroup
	for i := range 4 {
		calls.Go(func() {
			_, err := cluster.NewRequest[slow, string](key).Request(t.Context(), slow{seconds * max(0, 1-i)})
			if err != nil && cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("request %d: %v (%v)", i, err, cluster.OutcomeOf(err))
			}
		})
		synctest.Wait()
	}
	for _, opts := range [][]cluster.EnvelopeOption{nil, {cluster.WithoutAck()}} {
		if err := key.Notify(t.Context(), note{}, opts...); err != nil {
			t.Error(err)
		}
	}
	r := onStore(t, store, args...)
	wants := []string{text}
	if len(args) > 2 {
		wants = json
	}
	for _, want := range wants {
		if !strings.Contains(r.out+clean(r.err), want) {
			t.Errorf("%q is missing in:\n%s%s", want, r.out, r.err)
		}
	}
	if r.exit != exit {
		t.Errorf("exit code %d, want %d", r.exit, exit)
	}
	calls.Wait()
	stop()
}

// TestDrainTellsWhatItCutsOff: a call whose answer is owed when its node is drained,
// with no handler that runs, is lost if the drain gives it up. Its caller is told that
// it may have run, the command says so, and ends with the code for that. One that had no
// effect goes to the next owner, and counts as parked.
func TestDrainTellsWhatItCutsOff(t *testing.T) {
	for _, test := range []struct {
		name     string
		noEffect bool
		exit     int
		text     string
	}{
		{"an answer is owed", false, exitLost, "lost    1 call\n"},
		{"without effect so far", true, exitOK, "lost    0 calls\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				def := actor.Define("slow", func(string) *struct{} { return new(struct{}) },
					actor.OnRequestLater(func(_ *struct{}, _ *actor.Context, m slow, a actor.Answer[string]) error {
						if test.noEffect {
							a.NoEffect()
						}
						return nil
					}))
				key, stop := twoNodes(t, store, cluster.NewActorHandler(def.New))
				asking, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				ended := make(chan error, 1)
				go func() {
					_, err := cluster.NewRequest[slow, string](key).Request(asking, slow{})
					ended <- err
				}()
				synctest.Wait()
				r := onStore(t, store, "drain", "a")
				if r.exit != test.exit || !strings.Contains(r.out, test.text) {
					t.Errorf("exit code %d, want %d, and %q in\n%s%s", r.exit, test.exit, test.text, r.out, r.err)
				}
				if err := <-ended; cluster.OutcomeOf(err) != cluster.MaybeRan {
					t.Errorf("the caller is told %v (%v)", err, cluster.OutcomeOf(err))
				} else if cut := asking.Err() == nil; cut == test.noEffect {
					t.Errorf("the call has ended early: %v, %v", cut, err)
				}
				stop()
			})
		})
	}
}

// clean is what it says of the end, without how far it was.
func clean(s string) string {
	if i := strings.Index(s, "clstr:"); i >= 0 {
		return s[i:]
	}
	return s
}

// TestDrainOfANodeThatDies: that it has not left is no matter of --wait.
func TestDrainOfANodeThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		put(t, store, record.ConfigKey, record.NewConfig(demoLayout))
		put(t, store, record.MemberKey(nodeA), record.Member{State: record.Active})
		put(t, store, record.MemberKey(nodeB), record.Member{State: record.Active})
		put(t, store, record.ShardKey(3), record.Shard{Owner: nodeA, Count: 1, Why: record.Claimed})
		time.AfterFunc(time.Minute, func() {
			put(t, store, record.MemberKey(nodeA), record.Member{State: record.Dead, By: nodeB})
		})
		r := onStore(t, store, "drain", "a", "--json")
		if r.exit != exitFailure || !strings.Contains(r.err, "died while it left") || strings.Contains(r.err, "5m0s") {
			t.Errorf("exit code %d:\n%s%s", r.exit, r.out, r.err)
		}
	})
}

// handoffs is the pauses of hand-overs that nodes have measured.
type handoffs struct {
	cluster.ClusterMetrics
	mu  sync.Mutex
	all []time.Duration
}

var _ cluster.ShardMetrics = (*handoffs)(nil)

// ShardDrained implements [cluster.ShardMetrics].
func (h *handoffs) ShardDrained(cluster.DrainCounts) {}

// ShardOpened implements [cluster.ShardMetrics].
func (h *handoffs) ShardOpened(why string, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if why == "handoff" {
		h.all = append(h.all, pause)
	}
}

// TestDrainSaysThePauseThatIsMeasured: of the same moves, the metric of the nodes that
// take the shards has the pauses that the command prints.
func TestDrainSaysThePauseThatIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, measured := memstore.New(), &handoffs{ClusterMetrics: cluster.NopClusterMetrics()}
		def := actor.Define("slow", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(*struct{}, *actor.Context, slow) (string, error) { return "done", nil }),
			actor.OnPassivate(func(*struct{}, *actor.Context) error { time.Sleep(200 * time.Millisecond); return nil }))
		key, stop := twoNodes(t, store, cluster.NewActorHandler(def.New), measured)
		if _, err := cluster.NewRequest[slow, string](key).Request(t.Context(), slow{}); err != nil {
			t.Error(err)
		}
		measured.mu.Lock()
		measured.all = nil // of the second node's start
		measured.mu.Unlock()
		printed := decode[drainJSON](t, onStore(t, store, "drain", "a", "--json").out)
		stop()
		if want := summary(measured.all); want == nil || want.Max < 200 || printed.PauseMs == nil || *printed.PauseMs != *want || len(measured.all) != printed.Moved {
			t.Errorf("%d shards have moved with pauses of %v; %d were measured: %v", printed.Moved, printed.PauseMs, len(measured.all), want)
		}
	})
}
