// Calls in flight, and those that wait until there are none

package dispatch

import (
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/standing"
)

// flight counts the calls of a shard that were accepted and have not finished.
type flight struct {
	n atomic.Int64

	mu     sync.Mutex
	atRest chan struct{} // closed when there are none; nil if no drain waits for that
}

// land counts a call out.
func (f *flight) land(st *standing.Standing) {
	if f.n.Add(-1) != 0 || st.Phase() == standing.Serving {
		return
	}
	f.mu.Lock()
	if f.atRest != nil && f.n.Load() == 0 { // a drain may have admitted another since
		close(f.atRest)
		f.atRest = nil
	}
	f.mu.Unlock()
}

// rests returns a channel that is closed when nothing is in flight. The standing must have
// been changed before.
func (f *flight) rests() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n.Load() == 0 {
		return closedChan
	}
	if f.atRest == nil {
		f.atRest = make(chan struct{})
	}
	return f.atRest
}

var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
