package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

type (
	hit  struct{}
	hits struct{ N int }
)

// meter counts its hits, and all that live at the same moment.
type meter struct {
	l   *lives
	key string
	n   int
}

// lives counts incarnations by key.
type lives struct {
	t     *testing.T
	now   sync.Map // key -> *atomic.Int32
	began atomic.Int64
	ran   atomic.Int64
}

func (l *lives) of(key string) *atomic.Int32 {
	n, _ := l.now.LoadOrStore(key, new(atomic.Int32))
	return n.(*atomic.Int32)
}

func (m *meter) begin(*actor.Context) error {
	m.l.began.Add(1)
	if n := m.l.of(m.key).Add(1); n != 1 {
		m.l.t.Errorf("key %s has %d actors", m.key, n)
	}
	return nil
}

func (m *meter) end(*actor.Context) error {
	m.l.of(m.key).Add(-1)
	return nil
}

func (m *meter) hit(*actor.Context, hit) (hits, error) {
	m.n++
	m.l.ran.Add(1)
	return hits{m.n}, nil
}

func (l *lives) handler() cluster.ServerHandlerFunc {
	return cluster.NewActorHandler(actor.Define("meter", func(key string) *meter { return &meter{l: l, key: key} },
		actor.OnRequest((*meter).hit), actor.OnActivate((*meter).begin), actor.OnPassivate((*meter).end)).New)
}

// load sends requests from many callers until stop, which returns how many were
// answered and how many failed, by outcome.
func load(c *testkit.Cluster, callers, keys int) (stop func() (ok int64, failed map[cluster.Outcome][]error)) {
	over := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acked atomic.Int64
	failed := map[cluster.Outcome][]error{}
	for caller := range callers {
		wg.Go(func() {
			for i := caller; ; i += callers {
				select {
				case <-over:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
				_, err := cluster.NewRequest[hit, hits](c.Client().Key(fmt.Sprint("key-", i%keys))).Request(ctx, hit{})
				cancel()
				if err == nil {
					acked.Add(1)
					continue
				}
				mu.Lock()
				o := cluster.OutcomeOf(err)
				failed[o] = append(failed[o], err)
				mu.Unlock()
			}
		})
	}
	return func() (int64, map[cluster.Outcome][]error) {
		close(over)
		wg.Wait()
		return acked.Load(), failed
	}
}

func TestLiveClusterMoves(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		l := &lives{t: t}
		timing := testkit.LiveTiming
		timing.Lease = 20 * time.Second // no lease ends on a busy machine
		c := testkit.NewCluster(t, testkit.ClusterOptions{Live: true, Timing: timing, Nodes: 3, Handler: l.handler(), Transport: kind})
		c.Settle()
		const keys = 200
		each := func() { // a slow machine's load does not come to all of them
			for i := range keys {
				if _, err := cluster.NewRequest[hit, hits](c.Client().Key(fmt.Sprint("key-", i))).Request(t.Context(), hit{}); err != nil {
					t.Error(err)
				}
			}
		}
		each()
		stop := load(c, 8, keys)
		c.StartNode("node-3")
		c.Settle()
		c.StopNode("node-0")
		c.Settle()
		c.StartNode("node-0")
		c.Settle()
		c.StopNode("node-1")
		c.StopNode("node-2")
		c.Settle()
		acked, failed := stop()
		if len(failed) > 0 {
			t.Errorf("planned moves fail requests: %v", failed)
		}
		each()
		if ran := l.ran.Load() - 2*keys; ran != acked {
			t.Errorf("%d requests were answered, %d turns ran", acked, ran)
		}
		if n := len(c.Lives()); n != int(l.began.Load()) || n <= keys {
			t.Errorf("%d lives in the history, %d began", n, l.began.Load())
		}
		lives := slices.DeleteFunc(c.Lives(), func(l testkit.Life) bool { return l.Key != "key-0" })
		if last := lives[len(lives)-1]; last.Node != c.Owner("key-0") || last.Shard != c.Shard("key-0") || !last.Ended.IsZero() {
			t.Errorf("the last life of key-0: %+v; its owner is %s", last, c.Owner("key-0"))
		}
		t.Logf("%d requests, %d lives of 200 keys", acked, l.began.Load())
	})
}

// TestLiveClusterSurvivesADeath: what may have run says so, everything else is
// served by who takes over.
func TestLiveClusterSurvivesADeath(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var ran atomic.Int64
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Live: true, Nodes: 3, Transport: kind, Log: slog.New(slog.DiscardHandler),
			Handler: func(context.Context, cluster.Envelope) ([]byte, error) {
				ran.Add(1)
				return []byte(`{"N":1}`), nil
			},
		})
		c.Settle()
		stop := load(c, 8, 200)
		answered := ran.Load()
		eventually(t, "the load runs", func() bool { return ran.Load() > answered+100 })
		c.KillNode("node-1")
		c.Settle()
		acked, failed := stop()
		for o, errs := range failed {
			if o != cluster.MaybeRan || len(errs) > 8 {
				t.Errorf("%d calls failed with %v: %v", len(errs), o, errs[0])
			}
		}
		if acked < 100 {
			t.Errorf("only %d requests were answered", acked)
		}
	})
}

// TestLiveClusterCutsOff: a node without its store stops by itself, and comes
// again.
func TestLiveClusterCutsOff(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Live: true, Nodes: 2, Transport: kind, Log: slog.New(slog.DiscardHandler),
			Handler: func(context.Context, cluster.Envelope) ([]byte, error) { return []byte(`{"N":1}`), nil },
		})
		c.Settle()
		key := c.Client().Key(c.KeyOf("node-1"))
		c.CutStore("node-1")
		owner := func() string {
			info, err := key.GetNodeInfo(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return info.NodeID
		}
		eventually(t, "another serves the key", func() bool { return owner() != "node-1" })
		c.HealStore("node-1")
		eventually(t, "the node serves again", func() bool { return owner() == "node-1" })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := cluster.NewRequest[hit, hits](key).Request(ctx, hit{}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for giveUp := time.After(time.Minute); !ok(); {
		select {
		case <-again.C:
		case <-giveUp:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// TestLiveClusterPauses: what is sent to a node that stands still waits for it, and
// is told when others have taken over; afterwards it serves again.
func TestLiveClusterPauses(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var ran atomic.Int64
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Live: true, Nodes: 2, Transport: kind, Log: slog.New(slog.DiscardHandler),
			Handler: func(context.Context, cluster.Envelope) ([]byte, error) { ran.Add(1); return []byte(`{"N":1}`), nil },
		})
		c.Settle()
		key := c.Client().Key(c.KeyOf("node-1"))
		ask := func(patience time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := cluster.NewRequest[hit, hits](key).Request(ctx, hit{})
			return err
		}
		if err := ask(time.Minute); err != nil {
			t.Fatal(err)
		}
		c.PauseNode("node-1")
		if err := ask(50 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request to a node that stands still: %v", err)
		}
		eventually(t, "another serves the key", func() bool { return ask(time.Second) == nil })
		before := ran.Load()
		c.ResumeNode("node-1")
		eventually(t, "the node serves again", func() bool {
			info, err := key.GetNodeInfo(t.Context())
			return err == nil && info.NodeID == "node-1"
		})
		if err := ask(time.Minute); err != nil || ran.Load() != before+1 {
			t.Errorf("%v; %d turns after it has gone on, want 1: what waited has expired", err, ran.Load()-before)
		}
	})
}
