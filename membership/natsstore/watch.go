// Watches: what the servers publish of writes

package natsstore

import (
	"maps"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/membership"
)

// watches holds the watches that have begun and were not stopped.
type watches struct {
	mu  sync.Mutex
	all map[*watch]struct{}
}

func (ws *watches) add(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.all == nil {
		ws.all = map[*watch]struct{}{}
	}
	ws.all[w] = struct{}{}
}

func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
}

func (ws *watches) list() []*watch {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return slices.Collect(maps.Keys(ws.all))
}

// watch passes on the writes that the servers publish.
type watch struct {
	in     *watches
	events string // before a record's key
	sub    *nats.Subscription
	f      func(membership.Entry)

	mu    sync.Mutex // held while f runs
	ended bool
	last  uint64
}

func (w *watch) see(m *nats.Msg) {
	e, ok := decodeEvent(w.events, m)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || w.ended || e.Rev <= w.last {
		return
	}
	w.last = e.Rev
	w.f(e)
}

func (w *watch) stop() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	_ = w.sub.Unsubscribe() // fails where the connection has gone
	w.in.remove(w)
}

// anew makes the watch accept revisions from 1 again.
func (w *watch) anew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = 0
}
