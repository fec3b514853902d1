// What the nodes of one transport learn of the mapping of keys to shards

package dispatch

import (
	"sync"
	"sync/atomic"
)

// sharedLayout is what the nodes of one transport know of the mapping of keys to
// shards.
type sharedLayout struct {
	mu    sync.Mutex
	nodes int
	print *atomic.Uint64
}

// JoinLayout returns the fingerprint of the mapping of keys to shards by which the
// nodes of the transport go, 0 as long as none of them knows it. Who learns it first
// sets it. It is forgotten when each of them has called leave.
func (d *Dispatcher) JoinLayout() (print *atomic.Uint64, leave func()) {
	l := &d.layout
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes == 0 {
		l.print = new(atomic.Uint64)
	}
	l.nodes++
	return l.print, sync.OnceFunc(func() {
		l.mu.Lock()
		l.nodes--
		l.mu.Unlock()
	})
}
