package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// asked is what a key asks another in a simulation.
type asked struct {
	ID   int64
	Must bool // it is for a stop hook of the first round: it must be served
	Deep int  // how many others have asked for it
}

// rounds is a simulated end of a node: keys whose stop hooks, and what these ask, ask
// random keys.
type rounds struct {
	seed   uint64
	live   bool
	evicts bool // keys are evicted, also before the end: their stop hooks are halfway then
	keys   int
	client *cluster.Client
	ends   atomic.Bool
	ids    atomic.Int64

	mu     sync.Mutex
	rand   *rand.Rand
	served map[int64]int
	told   map[int64]error // of those that must be served, or not at all
	musts  map[int64]bool
	lives  map[string]int // by kind and key: since the end began
	hooks  map[string]int // the same: stop hooks that have run
	made   map[string]int
}

// sometime is an entity whose hooks and methods take a random time.
type sometime struct {
	r     *rounds
	name  string
	woken bool
}

func (r *rounds) below(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.IntN(n)
}

func (r *rounds) pause() {
	if n := r.below(8); n > 3 {
		time.Sleep(time.Duration(n) * time.Millisecond)
	}
}

// ask asks a random key in a random way.
func (r *rounds) ask(ctx context.Context, must bool, deep int) {
	m := asked{ID: r.ids.Add(1), Must: must, Deep: deep}
	kind, key := fmt.Sprint("kind-", r.below(2)), fmt.Sprint("key-", r.below(r.keys))
	to := r.client.Kind(kind).Key(key)
	var err error
	switch r.below(4) {
	case 0:
		err = to.Notify(ctx, hint(m))
	case 1:
		err = to.Notify(ctx, hint(m), cluster.WithoutAck())
	default:
		_, err = cluster.NewRequest[asked, saved](to).Request(ctx, m)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.musts[m.ID] = must
	if err != nil {
		r.told[m.ID] = err
	}
}

type hint asked

func (s *sometime) serve(c *actor.Context, m asked) {
	r := s.r
	r.mu.Lock()
	r.served[m.ID]++
	r.mu.Unlock()
	r.pause()
	switch n := r.below(10); {
	case n == 0 && r.evicts:
		c.Passivate()
	case n < 4 && m.Deep < 2 && m.ID > 0:
		r.ask(c, m.Must, m.Deep+1)
	}
}

func (s *sometime) end(c *actor.Context) error {
	r := s.r
	r.mu.Lock()
	r.hooks[s.name]++
	r.mu.Unlock()
	r.pause()
	for range r.below(3) {
		r.ask(c, !s.woken, 0)
		r.pause()
	}
	return nil
}

func (r *rounds) kinds() map[string]cluster.ServerHandlerFunc {
	kinds := map[string]cluster.ServerHandlerFunc{}
	for i := range 2 {
		kind := fmt.Sprint("kind-", i)
		d := actor.Define(kind, func(key string) *sometime {
			s := &sometime{r, kind + "/" + key, r.ends.Load()}
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.made[s.name]++; s.woken {
				r.lives[s.name]++
			}
			return s
		}, actor.OnRequest(func(s *sometime, c *actor.Context, m asked) (saved, error) { s.serve(c, m); return saved{}, nil }),
			actor.OnNotify(func(s *sometime, c *actor.Context, m hint) error { s.serve(c, asked(m)); return nil }),
			actor.OnPassivate((*sometime).end))
		opts := cluster.HandlerOptions{CacheSize: -1}
		if i == 1 && r.evicts {
			opts.CacheSize = r.keys / 2
		}
		kinds[kind] = cluster.NewActorHandlerWithOpts(d.New, opts)
		if direct := kinds[kind]; i == 1 && r.seed%2 == 0 {
			kinds[kind] = func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return direct(ctx, env) }
		}
	}
	return kinds
}

// TestStopHooksThatAskAtRandom: whatever stop hooks ask of whatever keys is served once,
// or its sender is told of a circle; a key is woken once at most, each key that was made
// runs its stop hook, and the node ends in time.
func TestStopHooksThatAskAtRandom(t *testing.T) {
	for seed := range uint64(40) {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d, live %v", seed, live), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { simulateEnd(t, seed, live) })
			})
		}
	}
}

// simulatedEnd is how long an end takes at most, circles included.
const simulatedEnd = 10 * time.Second

func simulateEnd(t *testing.T, seed uint64, live bool) {
	lc := newLiving(t)
	defer lc.close()
	r := &rounds{
		seed: seed, live: live, evicts: seed%3 == 0, keys: 3 + int(seed)%17, rand: rand.New(rand.NewPCG(seed, 0)), served: map[int64]int{}, told: map[int64]error{},
		musts: map[int64]bool{}, lives: map[string]int{}, hooks: map[string]int{}, made: map[string]int{},
	}
	opts := cluster.NodeOptions{NodeID: "a", Kinds: r.kinds(), NumShards: livingShards, Log: slog.New(slog.DiscardHandler)}
	var n *livingNode
	if live {
		n = lc.startOn(opts)
	} else {
		opts.Transport = lc.tr
		for shard := range uint32(livingShards) {
			opts.Shards = append(opts.Shards, shard)
		}
		n = &livingNode{name: "a", ended: make(chan error, 1), Node: cluster.NewNode(opts)}
		var ctx context.Context
		ctx, n.stop = context.WithCancel(context.Background())
		go func() { n.ended <- n.Run(ctx) }()
	}
	<-n.Ready()
	r.client = lc.client()
	for i := range r.keys {
		for kind := range 2 {
			if r.below(4) > 0 { // the others are woken at most
				to := r.client.Kind(fmt.Sprint("kind-", kind)).Key(fmt.Sprint("key-", i))
				if _, err := cluster.NewRequest[asked, saved](to).Request(t.Context(), asked{ID: -1 - int64(i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	synctest.Wait()
	r.ends.Store(true)
	began := time.Now()
	n.stop()
	if err := <-n.ended; err != nil || time.Since(began) > simulatedEnd {
		t.Errorf("the node has ended after %v: %v", time.Since(began), err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, must := range r.musts {
		err, n := r.told[id], r.served[id]
		switch {
		case errors.Is(err, cluster.ErrCircle) && n == 0:
		case err == nil && n == 1:
		case err != nil && n == 0 && !must:
		default:
			t.Errorf("%d (must %v) was served %d times; its sender was told %v", id, must, n, err)
		}
	}
	for name, n := range r.lives {
		n-- // it may have been made in a shard that had not begun to end
		if n > 1 && !r.evicts {
			t.Errorf("%s was woken %d times", name, n)
		}
	}
	for name, n := range r.made {
		if r.hooks[name] != n {
			t.Errorf("%s was made %d times, and has run %d stop hooks", name, n, r.hooks[name])
		}
	}
}
