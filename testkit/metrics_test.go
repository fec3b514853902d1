package testkit_test

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/testkit"
)

// telling are metrics that note what they are told of a node's calls and keys.
type telling struct {
	cluster.ClusterMetrics
	cluster.EntityMetrics
	mu   sync.Mutex
	told map[string]bool
}

func (m *telling) tell(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[what] = true
}

func (m *telling) was(what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told[what]
}

func (m *telling) RequestStarted(kind, _ string) metrics.Timer {
	m.tell("RequestStarted " + kind)
	return metrics.NopTimer
}
func (m *telling) RequestEnded(kind, _ string, o cluster.Outcome) {
	m.tell("RequestEnded " + kind + " " + o.String())
}
func (m *telling) NotifyEnded(string, string, cluster.Outcome) {}
func (m *telling) HandlerStarted(kind, _ string) metrics.Timer {
	m.tell("HandlerStarted " + kind)
	return metrics.NopTimer
}
func (m *telling) HandlerEnded(kind, _ string, o cluster.Outcome) {
	m.tell("HandlerEnded " + kind + " " + o.String())
}
func (m *telling) KeyReturned(kind string) { m.tell("KeyReturned " + kind) }

// noKeys are EntityMetrics that measure nothing.
type noKeys struct{}

func (noKeys) Activated(string)          {}
func (noKeys) ActivationFailed(string)   {}
func (noKeys) Passivated(string)         {}
func (noKeys) MailboxRefused(string)     {}
func (noKeys) ActiveKeys(string, int)    {}
func (noKeys) CallRefused(string)        {}
func (noKeys) KeyReturned(string)        {}
func (noKeys) NotificationFailed(string) {}

// TestMetricsAreTheSame: the metrics that a cluster is given are told of kinds, outcomes
// and keys that come back, with live shards as with fixed ones.
func TestMetricsAreTheSame(t *testing.T) {
	eachShards(t, func(t *testing.T, opts testkit.ClusterOptions) {
		m := &telling{ClusterMetrics: cluster.NopClusterMetrics(), EntityMetrics: noKeys{}, told: map[string]bool{}}
		fuses := actor.Define("fuse", func(string) *fuse { return &fuse{} }, actor.OnRequest((*fuse).count))
		opts.Metrics, opts.Kinds = m, map[string]cluster.ServerHandlerFunc{
			"fuse": cluster.NewActorHandlerWithOpts(fuses.New, cluster.HandlerOptions{CacheSize: 1}),
		}
		c := testkit.NewCluster(t, opts)
		for i := 0; i < 1000 && !m.was("KeyReturned fuse"); i++ { // a key that is still busy makes no room
			key := c.Client().Kind("fuse").Key([]string{"a", "b"}[i%2])
			if _, err := cluster.NewRequest[count, int](key).Request(t.Context(), count{}); err != nil {
				t.Fatal(err)
			}
		}
		c.StopNode("node-0") // what is told of a call's end is told by then
		want := []string{"HandlerEnded fuse succeeded", "HandlerStarted fuse", "KeyReturned fuse", "RequestEnded fuse succeeded", "RequestStarted fuse"}
		if got := slices.Sorted(maps.Keys(m.told)); !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
	})
}
