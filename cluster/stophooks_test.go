package cluster_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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
	saved   struct{}
)

// shelf is where items are saved, by way of the entity of that name, and what has gone
// wrong with that.
type shelf struct {
	client atomic.Pointer[cluster.Client]
	notify bool

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

func (i *item) end(c *actor.Context) error {
	if i.n == 0 {
		return nil
	}
	to := i.s.client.Load().Kind("shelf").Key("shelf-" + i.key)
	var err error
	if i.s.notify {
		err = to.Notify(c, save{i.key, i.n})
	} else {
		_, err = cluster.NewRequest[saveNow, saved](to).Request(c, saveNow{i.key, i.n})
	}
	if err != nil {
		i.s.mu.Lock()
		i.s.failed = append(i.s.failed, err)
		i.s.mu.Unlock()
	}
	return err
}

func (s *shelf) put(_ *struct{}, _ *actor.Context, m save) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves[m.Key] = m.N
	return nil
}

func (s *shelf) kinds() map[string]cluster.ServerHandlerFunc {
	items := actor.Define("item", func(key string) *item { return &item{s: s, key: key} },
		actor.OnRequest((*item).edit), actor.OnPassivate((*item).end))
	shelves := actor.Define("shelf", func(string) *struct{} { return new(struct{}) },
		actor.OnNotify(s.put),
		actor.OnRequest(func(e *struct{}, c *actor.Context, m saveNow) (saved, error) { return saved{}, s.put(e, c, save(m)) }))
	return map[string]cluster.ServerHandlerFunc{
		"item":  cluster.NewActorHandler(items.New),
		"shelf": cluster.NewActorHandler(shelves.New),
	}
}

// TestStopHooksThatAskLoseNothing: keys that save through other keys in their stop hooks
// lose no save when their node stops, be it the last one, whatever shards the keys are
// in. They ask, or notify.
func TestStopHooksThatAskLoseNothing(t *testing.T) {
	const items = 300
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for _, live := range []bool{false, true} {
			for _, notify := range []bool{false, true} {
				t.Run(fmt.Sprintf("live %v, notify %v", live, notify), func(t *testing.T) {
					s := &shelf{notify: notify, saves: map[string]int{}}
					nodes := 1
					if live {
						nodes = 2
					}
					c := testkit.NewCluster(t, testkit.ClusterOptions{
						Nodes: nodes, NumShards: 16, Live: live, Transport: kind, Kinds: s.kinds(), Log: slog.New(slog.DiscardHandler),
					})
					if live {
						c.Settle()
					}
					s.client.Store(c.Client())
					for i := range items {
						if _, err := cluster.NewRequest[edit, saved](c.Client().Kind("item").Key(fmt.Sprint("item-", i))).Request(t.Context(), edit{i + 1}); err != nil {
							t.Fatal(err)
						}
					}
					for _, id := range c.Nodes() {
						if live {
							c.Settle()
						}
						c.StopNode(id)
					}
					s.mu.Lock()
					defer s.mu.Unlock()
					for _, err := range s.failed {
						t.Errorf("a save failed: %v (%v)", err, cluster.OutcomeOf(err))
						break
					}
					for i := range items {
						if n := s.saves[fmt.Sprint("item-", i)]; n != i+1 {
							t.Errorf("%d of %d are saved, %d failed; item %d has %d", len(s.saves), items, len(s.failed), i, n)
							break
						}
					}
				})
			}
		}
	})
}

type (
	ring   struct{ To string }
	ringed struct{}
)

// tower is bells whose stop hooks ask each other when all of them have begun.
type tower struct {
	client atomic.Pointer[cluster.Client]
	begun  sync.WaitGroup
	errs   chan error
}

// bell is an entity whose stop hook asks another.
type bell struct {
	t  *tower
	to string
}

func (b *bell) ring(_ *actor.Context, m ring) (ringed, error) {
	if m.To != "" {
		b.to = m.To
	}
	return ringed{}, nil
}

func (b *bell) end(c *actor.Context) error {
	if b.to == "" {
		return nil
	}
	b.t.begun.Done()
	b.t.begun.Wait()
	kind, key, _ := strings.Cut(b.to, "/")
	_, err := cluster.NewRequest[ring, ringed](b.t.client.Load().Kind(kind).Key(key)).Request(c, ring{})
	b.t.errs <- err
	return err
}

// TestStopHooksThatAskEachOther: of stop hooks that wait for each other in a ring, of one
// handler or several, one is refused, the others are answered, and the node ends.
func TestStopHooksThatAskEachOther(t *testing.T) {
	rings := map[string][]string{
		"two":                 {"bell/a", "bell/b"},
		"three":               {"bell/a", "bell/b", "bell/c"},
		"two of two handlers": {"bell/a", "gong/a"},
		"itself":              {"bell/a"},
	}
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for name, keys := range rings {
			for _, live := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, live %v", name, live), func(t *testing.T) {
					tower := &tower{errs: make(chan error, len(keys))}
					tower.begun.Add(len(keys))
					bells := actor.Define("bell", func(string) *bell { return &bell{t: tower} },
						actor.OnRequest((*bell).ring), actor.OnPassivate((*bell).end))
					c := testkit.NewCluster(t, testkit.ClusterOptions{
						Nodes: 1, NumShards: 16, Live: live, Transport: kind, Log: slog.New(slog.DiscardHandler),
						Kinds: map[string]cluster.ServerHandlerFunc{"bell": cluster.NewActorHandler(bells.New), "gong": cluster.NewActorHandler(bells.New)},
					})
					if live {
						c.Settle()
					}
					tower.client.Store(c.Client())
					for i, from := range keys {
						kind, key, _ := strings.Cut(from, "/")
						to := keys[(i+1)%len(keys)]
						if _, err := cluster.NewRequest[ring, ringed](c.Client().Kind(kind).Key(key)).Request(t.Context(), ring{to}); err != nil {
							t.Fatal(err)
						}
					}
					c.StopNode("node-0")
					circles := 0
					for range keys {
						switch err := <-tower.errs; {
						case errors.Is(err, cluster.ErrCircle) && cluster.OutcomeOf(err) == cluster.NotStarted:
							circles++
						case err != nil:
							t.Errorf("a stop hook was told %v (%v)", err, cluster.OutcomeOf(err))
						}
					}
					if circles != 1 {
						t.Errorf("%d of %d stop hooks are told of the circle", circles, len(keys))
					}
				})
			}
		}
	})
}
