package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// walk asks the first key of the path to go on with the rest.
type walk struct{ Path []string }

type walked struct{ Keys []string }

// walkers is a cluster of nodes whose keys walk.
type walkers struct {
	*testkit.Cluster
}

func (w *walkers) next(ctx context.Context, m walk) (walked, error) {
	if len(m.Path) == 0 {
		return walked{}, nil
	}
	r, err := cluster.NewRequest[walk, walked](w.Client().Key(m.Path[0])).Request(ctx, walk{m.Path[1:]})
	if err != nil {
		return walked{}, err
	}
	return *r, nil
}

// walk is the method of the entities.
func (w *walkers) walk(_ *struct{}, c *actor.Context, m walk) (walked, error) {
	r, err := w.next(c, m)
	return walked{append([]string{c.Key()}, r.Keys...)}, err
}

// newWalkers makes a cluster of three nodes. more are further parts of the entities.
func newWalkers(t *testing.T, kind testkit.TransportKind, wrap func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc, more func(w *walkers) []actor.Option) *walkers {
	t.Helper()
	w := &walkers{}
	options := []actor.Option{actor.OnRequest(w.walk)}
	if more != nil {
		options = append(options, more(w)...)
	}
	def := actor.Define("walker", func(string) *struct{} { return new(struct{}) }, options...)
	h := cluster.NewActorHandler(def.New)
	if wrap != nil {
		h = wrap(h)
	}
	w.Cluster = testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 3, NumShards: 16, Transport: kind, Log: quiet, Handler: h})
	return w
}

// circle requires that err says that nothing ran because of a circle of these keys.
func circle(t *testing.T, err error, took time.Duration, keys ...string) {
	t.Helper()
	if !errors.Is(err, cluster.ErrCircle) {
		t.Errorf("got %v, want ErrCircle", err)
		return
	}
	if took > 20*time.Second { // a circle that is not found ends at the deadline, after 30 s
		t.Errorf("it took %v", took)
	}
	for i, key := range keys {
		keys[i] = `key "` + key + `"`
	}
	if want := strings.Join(keys, " asks "); !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %s", err, want)
	}
}

// eachWalkers runs f on both transports, with entities as they are and behind a func.
func eachWalkers(t *testing.T, more func(w *walkers) []actor.Option, f func(t *testing.T, w *walkers)) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for name, wrap := range map[string]func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc{"hosted": nil, "wrapped": wrapped} {
			t.Run(name, func(t *testing.T) { f(t, newWalkers(t, kind, wrap, more)) })
		}
	})
}

// TestCircles: a request that would wait for itself is refused at once.
func TestCircles(t *testing.T) {
	eachWalkers(t, nil, func(t *testing.T, w *walkers) {
		for what, path := range map[string][]string{
			"A-A": {"a", "a"}, "A-B-A": {"a", "b", "a"}, "A-B-C-A": {"a", "b", "c", "a"},
			"A-B-C-B": {"a", "b", "c", "b"}, "sixteen": strings.Split("a b c d e f g h i j k l m n o p a", " "),
		} {
			began := time.Now()
			_, err := w.next(t.Context(), walk{path})
			last := path[len(path)-1]
			first := 0
			for path[first] != last {
				first++
			}
			circle(t, err, time.Since(began), path[first:]...)
			if cluster.OutcomeOf(err) != cluster.RanAndFailed {
				t.Errorf("%s: the outcome for the first key is %v", what, cluster.OutcomeOf(err))
			}
		}
		r, err := w.next(t.Context(), walk{[]string{"a", "b", "c", "d"}})
		if err != nil || strings.Join(r.Keys, "") != "abcd" {
			t.Errorf("keys that were in a circle: %v, %v", r, err)
		}
	})
}
