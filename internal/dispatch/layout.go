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

func (l *sharedLayout) join() (print *atomic.Uint64, leave func()) {
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
