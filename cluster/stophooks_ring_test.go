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
						Nodes: 1, NumShards: 16, Live: live, Timing: noLeaseEnds, Transport: kind, Log: slog.New(slog.DiscardHandler),
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
