package natstransport

import (
	"context"
	"runtime"
	"sync"

	"github.com/clstr-go/clstr/internal/pool"
)

// maxBatch is how many bytes share a message. It bounds too what a caller who
// keeps one reply of a message keeps with it.
const maxBatch = 32 << 10

// maxWaiting is how many batches may wait before senders wait as well.
const maxWaiting = 8

// outbox gathers what waits at the same moment for one subject. Whoever finds it
// quiet sends; what comes while others run or send goes along with the next
// batch. No timer delays anything. The order of put is the order on the wire.
type outbox struct {
	pool  *pool.Pool
	send  func(batch) // one at a time
	waits bool        // put waits for room; otherwise what it takes is bounded elsewhere

	mu      sync.Mutex
	waiting []batch
	spare   batch
	busy    bool          // somebody sends, or is about to
	taken   chan struct{} // closed when a batch was taken; nil if nobody waits
}

// batch is one message to be.
type batch struct {
	buf     []byte
	calls   []*call // by envelope; nil for one that awaits nothing. Not for replies
	cancels bool    // holds cancellations. Not for replies
	reply   string  // subject of the first reply. Not for envelopes
}

// put appends something of at most size bytes. now sends on the caller's
// goroutine; otherwise put returns at once. It returns false if what was appended
// is larger than limit, and ctx's error if that ends while put waits for room:
// nothing is sent then.
func (o *outbox) put(ctx context.Context, size, limit int, now bool, add func(*batch)) (bool, error) {
	o.mu.Lock()
	for o.waits && len(o.waiting) > maxWaiting {
		if o.taken == nil {
			o.taken = make(chan struct{})
		}
		taken := o.taken
		o.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return true, ctx.Err()
		}
		o.mu.Lock()
	}
	fresh := len(o.waiting) == 0 || len(o.waiting[len(o.waiting)-1].buf)+size > min(maxBatch, limit)
	if fresh {
		o.waiting = append(o.waiting, o.spare)
		o.spare = batch{}
	}
	b := &o.waiting[len(o.waiting)-1]
	add(b)
	if fresh && len(b.buf) > limit {
		o.waiting = o.waiting[:len(o.waiting)-1]
		o.mu.Unlock()
		return false, nil
	}
	if o.busy {
		o.mu.Unlock()
		return true, nil
	}
	o.busy = true
	o.mu.Unlock()
	if !now {
		o.pool.Go(o)
		return true, nil
	}
	runtime.Gosched() // let those go along who are about to send as well
	if o.next() && o.more() {
		o.pool.Go(o) // this caller has done its part
	}
	return true, nil
}

// Run implements pool.Task.
func (o *outbox) Run(*pool.Slot) {
	for o.next() {
	}
}

// next sends a batch; without one it returns false and the outbox is quiet.
func (o *outbox) next() bool {
	o.mu.Lock()
	if len(o.waiting) == 0 {
		o.busy = false
		o.mu.Unlock()
		return false
	}
	b := o.waiting[0]
	n := copy(o.waiting, o.waiting[1:])
	o.waiting[n] = batch{}
	o.waiting = o.waiting[:n]
	if o.taken != nil {
		close(o.taken)
		o.taken = nil
	}
	o.mu.Unlock()
	o.send(b)
	o.keep(b)
	return true
}

// keep reuses a batch's memory, unless one large message has grown it.
func (o *outbox) keep(b batch) {
	if cap(b.buf) > 2*maxBatch {
		return
	}
	clear(b.calls)
	o.mu.Lock()
	o.spare = batch{buf: b.buf[:0], calls: b.calls[:0]}
	o.mu.Unlock()
}

// more reports whether a batch waits; without one the outbox is quiet.
func (o *outbox) more() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = len(o.waiting) > 0
	return o.busy
}
