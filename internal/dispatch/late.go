// Calls that their handlers have left open: told of a drain, handed back, cut off

package dispatch

import (
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/peakmap"
)

// lateGrace is how long a shard that drains waits for answers that are owed: for a
// goroutine or a timer to give them. The message that would cause one is refused
// meanwhile, so that a longer wait would seldom help. A planned stop with answers that
// are owed takes under a second.
const lateGrace = 500 * time.Millisecond

// owed are the calls of a shard that their handlers have left open.
type owed struct {
	mu     sync.Mutex
	calls  peakmap.Map[*Call, *lateCall]
	ending bool // they are told that the shard drains
}

// lateCall is a call that its handler has left open.
type lateCall struct {
	tell func() // nil once it was told
	told int64  // the moment
}

// add remembers a call. It returns true if the shard drains already.
func (o *owed) add(c *Call, tell func()) (ending bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &lateCall{tell: tell}
	if o.ending {
		l.tell, l.told = nil, expiry.Now()
	}
	o.calls.Set(c, l)
	return o.ending
}

func (o *owed) forget(c *Call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls.Delete(c)
}

func (o *owed) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls.Len()
}

// tell tells the keys that owe answers that the shard ends.
func (o *owed) tell() {
	now := expiry.Now()
	var tell []func()
	o.mu.Lock()
	o.ending = true
	for _, l := range o.calls.All() {
		if l.tell != nil {
			tell = append(tell, l.tell)
			l.tell, l.told = nil, now
		}
	}
	o.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

// cut ends the calls that were told at a moment, or before: those that may go back do.
func (o *owed) cut(toldBy int64) {
	var cut []*Call
	o.mu.Lock()
	for c, l := range o.calls.All() {
		if l.tell == nil && l.told <= toldBy {
			cut = append(cut, c)
		}
	}
	o.mu.Unlock()
	for _, c := range cut {
		if !c.HandBack() {
			c.Refuse(c.lost())
		}
	}
}

// cutAll is cut for all calls, told or not.
func (o *owed) cutAll() {
	o.mu.Lock()
	for _, l := range o.calls.All() {
		l.tell, l.told = nil, 0
	}
	o.mu.Unlock()
	o.cut(0)
}
