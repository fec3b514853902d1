// Calls that their handlers have left open: told of a drain, handed back, cut off

package dispatch

import (
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/peakmap"
	"github.com/clstr-go/clstr/outcome"
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

// OnDrain has tell called once when the call's shard begins to drain and the call is
// still open, at once if it drains already. tell must not block. It is called where a
// handler leaves the call open, after it has started.
func (c *Call) OnDrain(tell func()) {
	c.bits.Or(bitOpen)
	ending := c.sub.late.add(c, tell)
	switch {
	case c.bits.Load()&bitAnswered != 0:
		c.sub.late.forget(c)
	case ending:
		tell()
	}
}

// NoEffect says whether nothing of the call remains at the handler so far, so that it
// may go back. It returns false if the call has ended: it may have gone back already.
func (c *Call) NoEffect(none bool) (open bool) {
	for {
		old := c.bits.Load()
		if old&bitAnswered != 0 {
			return false
		}
		b := old &^ bitNoEffect
		if none {
			b |= bitNoEffect
		}
		if c.bits.CompareAndSwap(old, b) {
			return true
		}
	}
}

// HandBack gives a request back that has had no effect: its sender asks the next owner.
// It returns false, and does nothing, for any other call.
func (c *Call) HandBack() bool {
	for {
		old := c.bits.Load()
		if old&bitNoEffect == 0 || old&bitAnswered != 0 || !c.AwaitsReply() {
			return false
		}
		if c.bits.CompareAndSwap(old, old|bitAnswered) {
			err := outcome.Errorf(outcome.ErrHandedBack, "%s", where(&c.env))
			c.settle(err, done)
			c.reply(old, nil, err)
			c.close()
			return true
		}
	}
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
			c.lose()
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

// lose ends a call whose shard was dropped, or that was left open for too long as its
// node ends.
func (c *Call) lose() {
	if !c.sub.standing.Leased() {
		c.Refuse(outcome.Errorf(outcome.ErrDraining, "%s: its answer was owed when the node ended", where(&c.env)))
		return
	}
	c.Refuse(outcome.Errorf(outcome.ErrNotOwner, "%s was lost while the call ran", where(&c.env)))
}
