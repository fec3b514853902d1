package natstransport

import (
	"context"
	"runtime"
	"sync"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/transport/wire"
)

// maxBatch is how many bytes share a message. It bounds too what a caller who
// keeps one reply of a message keeps with it.
const maxBatch = 32 << 10

// maxItems is how many envelopes or replies share a message: small ones would be
// more than a receiver takes. Each envelope may bring a cancellation.
const maxItems = wire.MaxItems / 2

// maxWaiting is how many batches may wait before senders wait as well.
const maxWaiting = 8

// outbox gathers what waits at the same moment for one subject. Whoever finds it
// quiet sends; what comes while others run or send goes along with the next
// batch. No timer delays anything. The order of put is the order on the wire.
type outbox struct {
	pool  *pool.Pool
	send  func(*batch) // one at a time
	waits bool         // put waits for room; otherwise what it takes is bounded elsewhere

	mu      sync.Mutex
	waiting []*batch
	busy    bool          // somebody sends, or is about to
	taken   chan struct{} // closed when a batch was taken; nil if nobody waits
}

// batch is one message to be.
type batch struct {
	buf     []byte
	items   int
	calls   []*call // by envelope; nil for one that awaits nothing. Not for replies
	cancels bool    // holds cancellations. Not for replies
	reply   string  // subject of the first reply. Not for envelopes
}

// batches are reused by all outboxes: there is one for each shard and peer, most
// of them quiet.
var batches = sync.Pool{New: func() any { return new(batch) }}

// recycle reuses a batch's memory, unless one large message has grown it.
func (b *batch) recycle() {
	if cap(b.buf) > 2*maxBatch {
		return
	}
	clear(b.calls)
	*b = batch{buf: b.buf[:0], calls: b.calls[:0]}
	batches.Put(b)
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
	b, fresh := o.last(size, limit)
	add(b)
	b.items++
	if fresh && len(b.buf) > limit {
		n := len(o.waiting) - 1
		o.waiting[n] = nil
		o.waiting = o.waiting[:n]
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

// last returns the batch that takes what comes next; it is called with mu held.
func (o *outbox) last(size, limit int) (b *batch, fresh bool) {
	if n := len(o.waiting); n > 0 {
		if b = o.waiting[n-1]; b.items < maxItems && len(b.buf)+size <= min(maxBatch, limit) {
			return b, false
		}
	}
	b = batches.Get().(*batch)
	o.waiting = append(o.waiting, b)
	return b, true
}

// Run implements pool.Task.
func (o *outbox) Run(pool.Slot) {
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
	o.waiting[n] = nil
	o.waiting = o.waiting[:n]
	if o.taken != nil {
		close(o.taken)
		o.taken = nil
	}
	o.mu.Unlock()
	o.send(b)
	b.recycle()
	return true
}

// more reports whether a batch waits; without one the outbox is quiet.
func (o *outbox) more() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = len(o.waiting) > 0
	return o.busy
}
