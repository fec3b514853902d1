package cluster_test

import (
	"context"
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
	edit struct{ N int }
	save struct {
		Key string
		N   int
	}
	saveNow save
	lock    save
	leave   struct{}
	saved   struct{}
)

// way is how items are saved in their stop hooks.
type way struct {
	items   int
	shelves int  // that they share; 0: each has its own
	notify  bool // they notify their shelves, and do not ask them
	noAck   bool // the same, without an acknowledgement
	vault   bool // the shelves ask a vault to save, each another
	leaves  bool // a shelf passivates after each message, or so it asks
	cache   int  // of the shelves' handler
	wrapped bool // the shelves' handler is a func that passes on to that
	at      int  // how many nodes end at the same moment; 0: one after the other
	halfway bool // the stop hooks have begun, and asked something, when the node ends
}

// shelf is where items are saved, by way of the entity of that name, and what has gone
// wrong with that.
type shelf struct {
	way
	client atomic.Pointer[cluster.Client]
	begun  chan struct{} // of stop hooks that are halfway
	goOn   chan struct{}

	mu     sync.Mutex
	saves  map[string]int
	failed []error
}

// item is an entity that saves what it has through another when it passivates.
type item struct {
	s   *shelf
	key string
	n   int
}

func (i *item) edit(_ *actor.Context, m edit) (saved, error) {
	i.n = m.N
	return saved{}, nil
}

func (i *item) leave(c *actor.Context, _ leave) (saved, error) {
	c.Passivate()
	return saved{}, nil
}

func (i *item) end(c *actor.Context) error {
	s, on := i.s, "shelf-"+i.key
	if i.n == 0 {
		return nil
	}
	if s.shelves > 0 {
		on = fmt.Sprint("shelf-", i.n%s.shelves)
	}
	to := s.client.Load().Kind("shelf").Key(on)
	if s.halfway {
		if _, err := cluster.NewRequest[edit, saved](to).Request(c, edit{}); err != nil {
			return s.fails(err)
		}
		s.begun <- struct{}{}
		<-s.goOn
	}
	switch {
	case s.noAck:
		return s.fails(to.Notify(c, save{i.key, i.n}, cluster.WithoutAck()))
	case s.notify:
		return s.fails(to.Notify(c, save{i.key, i.n}))
	}
	_, err := cluster.NewRequest[saveNow, saved](to).Request(c, saveNow{i.key, i.n})
	return s.fails(err)
}

// fails notes an error.
func (s *shelf) fails(err error) error {
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = append(s.failed, err)
	}
	return err
}

// put saves, at once or in a vault.
func (s *shelf) put(_ *struct{}, c *actor.Context, m save) error {
	if s.leaves {
		c.Passivate()
	}
	if s.vault {
		_, err := cluster.NewRequest[lock, saved](s.client.Load().Kind("vault").Key("vault-"+c.Key())).Request(c, lock(m))
		return s.fails(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves[m.Key] = m.N
	return nil
}

func (s *shelf) kinds() map[string]cluster.ServerHandlerFunc {
	items := actor.Define("item", func(key string) *item { return &item{s: s, key: key} },
		actor.OnRequest((*item).edit), actor.OnRequest((*item).leave), actor.OnPassivate((*item).end))
	shelves := actor.Define("shelf", func(string) *struct{} { return new(struct{}) },
		actor.OnNotify(s.put),
		actor.OnRequest(func(*struct{}, *actor.Context, edit) (saved, error) { return saved{}, nil }),
		actor.OnRequest(func(e *struct{}, c *actor.Context, m saveNow) (saved, error) { return saved{}, s.put(e, c, save(m)) }))
	vaults := actor.Define("vault", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, m lock) (saved, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.saves[m.Key] = m.N
			return saved{}, nil
		}))
	onShelves := cluster.NewActorHandlerWithOpts(shelves.New, cluster.HandlerOptions{CacheSize: s.cache})
	if direct := onShelves; s.wrapped {
		onShelves = func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return direct(ctx, env) }
	}
	return map[string]cluster.ServerHandlerFunc{
		"item":  cluster.NewActorHandlerWithOpts(items.New, cluster.HandlerOptions{CacheSize: -1}),
		"shelf": onShelves,
		"vault": cluster.NewActorHandler(vaults.New),
	}
}

// whenRefused lets stop hooks go on when their node refuses what others ask.
func (s *shelf) whenRefused(ctx context.Context, client *cluster.Client) {
	for err := error(nil); err == nil; {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err = cluster.NewRequest[edit, saved](client.Kind("shelf").Key("any")).Request(ctx, edit{})
		cancel()
	}
	close(s.goOn)
}

// losesNothing edits items, ends all nodes, and looks for each save.
func (w way) losesNothing(t *testing.T, kind testkit.TransportKind, live bool, nodes int) {
	s := &shelf{way: w, saves: map[string]int{}, begun: make(chan struct{}, w.items), goOn: make(chan struct{})}
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Nodes: nodes, NumShards: 16, Live: live, Timing: noLeaseEnds, StopTimeout: time.Minute, Transport: kind, Kinds: s.kinds(), Log: slog.New(slog.DiscardHandler),
	})
	if live {
		c.Settle()
	}
	s.client.Store(c.Client())
	for i := range w.items {
		item := c.Client().Kind("item").Key(fmt.Sprint("item-", i))
		if _, err := cluster.NewRequest[edit, saved](item).Request(t.Context(), edit{i + 1}); err != nil {
			t.Fatal(err)
		}
		if w.halfway {
			if _, err := cluster.NewRequest[leave, saved](item).Request(t.Context(), leave{}); err != nil {
				t.Fatal(err)
			}
			<-s.begun
		}
	}
	if w.halfway {
		go s.whenRefused(t.Context(), c.Client()) // ends with the node's service
	}
	for ids := range slices.Chunk(c.Nodes(), max(1, s.at)) {
		if live {
			c.Settle()
		}
		var wg sync.WaitGroup
		for _, id := range ids {
			wg.Go(func() { c.StopNode(id) })
		}
		wg.Wait()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failed) > 0 {
		t.Errorf("%d saves failed, the first with: %v (%v)", len(s.failed), s.failed[0], cluster.OutcomeOf(s.failed[0]))
	}
	for i := range w.items {
		if n := s.saves[fmt.Sprint("item-", i)]; n != i+1 {
			t.Fatalf("%d of %d are saved; item %d has %d", len(s.saves), w.items, i, n)
		}
	}
}

// TestStopHooksThatAskLoseNothing: keys that save through other keys in their stop hooks
// lose no save when their node stops, be it the last one, whatever shards the keys are
// in. They ask, or notify.
func TestStopHooksThatAskLoseNothing(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for _, live := range []bool{false, true} {
			for _, notify := range []bool{false, true} {
				t.Run(fmt.Sprintf("live %v, notify %v", live, notify), func(t *testing.T) {
					nodes := 1
					if live {
						nodes = 2
					}
					way{items: 1000, notify: notify}.losesNothing(t, kind, live, nodes)
				})
			}
		}
	})
}

// TestStopHooksThatSaveInOtherWays: nothing is lost either where the other keys do what
// keys may do, or where the stop hooks have begun before their node's end.
func TestStopHooksThatSaveInOtherWays(t *testing.T) {
	ways := map[string]way{
		"few shelves":                 {},
		"without an acknowledgement":  {noAck: true},
		"shelves that ask a vault":    {vault: true},
		"told shelves that ask one":   {vault: true, notify: true},
		"shelves that leave":          {leaves: true},
		"shelves that make room":      {cache: 1},
		"behind a func":               {wrapped: true},
		"notifications behind a func": {wrapped: true, notify: true},
		"no acknowledgement from it":  {wrapped: true, noAck: true},
		"a vault behind a func":       {wrapped: true, notify: true, vault: true},
		"halfway":                     {halfway: true},
		"notifications from halfway":  {halfway: true, notify: true},
		"no acknowledgement, halfway": {halfway: true, noAck: true},
	}
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for name, w := range ways {
			for _, live := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, live %v", name, live), func(t *testing.T) {
					w.items, w.shelves = 100, 7
					w.losesNothing(t, kind, live, 1)
				})
			}
		}
	})
}
