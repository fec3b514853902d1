// Which keys lived where, and that none lived twice at one moment

package testkit

import (
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/host"
)

// Life is one incarnation of a key's actor.
type Life struct {
	Node  string // the ID
	Kind  string
	Shard uint32
	Key   string
	Began time.Time
	Ended time.Time // zero while it lives; its stop hook has run before

	node *member
}

// history is all lives of keys in a cluster.
type history struct {
	mu    sync.Mutex
	lives []*Life
	open  map[lifeKey]*Life
}

type lifeKey struct {
	node      *member
	kind, key string
}

// watcher is a node's metrics, which also feed the history of keys.
type watcher struct {
	cluster.ClusterMetrics
	cluster.EntityMetrics
	cluster.ShardMetrics
	h    *history
	node *member
}

// callWatcher is a watcher whose metrics know the kind and outcome of calls.
type callWatcher struct {
	*watcher
	cluster.CallMetrics
}

var _ host.KeyObserver = (*watcher)(nil)

// KeyBegins implements host.KeyObserver.
func (w *watcher) KeyBegins(kind string, shard uint32, key string) {
	l := &Life{Node: w.node.id, Kind: kind, Shard: shard, Key: key, Began: time.Now(), node: w.node}
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	w.h.lives = append(w.h.lives, l)
	w.h.open[lifeKey{w.node, kind, key}] = l
}

// KeyEnded implements host.KeyObserver.
func (w *watcher) KeyEnded(kind string, _ uint32, key string) {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	k := lifeKey{w.node, kind, key}
	w.h.open[k].Ended = time.Now()
	delete(w.h.open, k)
}

// watch puts the history behind the metrics of a node.
func (h *history) watch(m cluster.ClusterMetrics, node *member) cluster.ClusterMetrics {
	if m == nil {
		m = cluster.NopClusterMetrics()
	}
	w := &watcher{ClusterMetrics: m, EntityMetrics: nopEntity{}, ShardMetrics: nopEntity{}, h: h, node: node}
	if e, ok := m.(cluster.EntityMetrics); ok {
		w.EntityMetrics = e
	}
	if s, ok := m.(cluster.ShardMetrics); ok {
		w.ShardMetrics = s
	}
	if c, ok := m.(cluster.CallMetrics); ok {
		return callWatcher{w, c}
	}
	return w
}

// nopEntity measures nothing.
type nopEntity struct{}

func (nopEntity) Activated(string)                  {}
func (nopEntity) ActivationFailed(string)           {}
func (nopEntity) Passivated(string)                 {}
func (nopEntity) MailboxRefused(string)             {}
func (nopEntity) ActiveKeys(string, int)            {}
func (nopEntity) CallRefused(string)                {}
func (nopEntity) NotificationFailed(string)         {}
func (nopEntity) ShardOpened(string, time.Duration) {}
func (nopEntity) ShardDrained(cluster.DrainCounts)  {}
func (nopEntity) KeyReturned(string)                {}

func (h *history) all() []Life {
	h.mu.Lock()
	defer h.mu.Unlock()
	lives := make([]Life, len(h.lives))
	for i, l := range h.lives {
		lives[i] = *l
	}
	return lives
}

// check fails the test if a key had two actors at one moment. It leaves out nodes that
// were killed or cut off, because other nodes make their actors before those nodes end
// theirs.
func (h *history) check(t testing.TB) {
	type entity struct{ kind, key string }
	last := map[entity]Life{}
	for _, l := range h.all() {
		if l.node.killed || l.node.wasCut {
			continue
		}
		k := entity{l.Kind, l.Key}
		if before, ok := last[k]; ok && (before.Ended.IsZero() || before.Ended.After(l.Began)) {
			t.Errorf("testkit: two actors of key %q: on %s until %v, on %s from %v", l.Key, before.Node, before.Ended, l.Node, l.Began)
		}
		last[k] = l
	}
}
