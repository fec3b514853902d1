// Batches without timers, for envelopes and replies

package natstransport

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// maxBatch is how many bytes share a message.
const maxBatch = 32 << 10

// maxItems is how many envelopes or replies share a message, because a message of many small ones
// could have more than a receiver takes. Each envelope may bring a cancellation.
const maxItems = wire.MaxItems / 2

// maxWaiting is how many batches may wait before senders wait as well.
const maxWaiting = 8

// outbox gathers the envelopes or replies that wait at the same moment for one subject. A caller
// that finds it quiet wakes the connection's flusher. Everything that comes before the flusher has
// taken the batch goes along. No timer delays anything. The order of put is the order on the wire.
//
// Only the flusher publishes: nats.go writes to the socket under the lock of the
// connection, so a goroutine that publishes may have to wait for a network that hangs, and
// callers and handlers must not.
type outbox struct {
	pool  *pool.Pool    // the flusher: one task at a time
	send  func(*batch)  // one at a time
	room  *room         // for the bytes of this and others
	waits bool          // put waits for room and reserves it; otherwise its caller has
	open  *atomic.Int64 // how many calls wait for an answer; nil where the batches are answers

	mu      sync.Mutex
	waiting []*batch
	busy    bool          // the flusher is on its way
	taken   chan struct{} // closed when a batch was taken; nil if no sender waits
	halted  bool          // the flusher takes nothing
	parked  bool          // it has found that so
}

// batch is one message to be.
type batch struct {
	buf     []byte
	items   int
	calls   []*call // by envelope; nil for one that awaits nothing. Not for replies
	spans   []span  // by envelope: where it is in buf
	cancels bool    // holds cancellations. Not for replies
	reply   string  // subject of the first reply. Not for envelopes
}

type span struct{ from, to int }

// drop takes out the envelopes of calls that are gone.
func (b *batch) drop(gone func(*call) bool) {
	buf, calls, from := b.buf[:0], b.calls[:0], 0
	for i, c := range b.calls {
		if !gone(c) {
			calls = append(calls, c)
			continue
		}
		buf = append(buf, b.buf[from:b.spans[i].from]...)
		from = b.spans[i].to
	}
	buf = append(buf, b.buf[from:]...)
	clear(b.calls[len(calls):])
	b.buf, b.calls, b.spans = buf, calls, b.spans[:0]
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
	*b = batch{buf: b.buf[:0], calls: b.calls[:0], spans: b.spans[:0]}
	batches.Put(b)
}

// put appends what add writes: so many items, of at most size bytes together. It returns false if they
// are larger than limit. It returns an error, and sends nothing, if there is no room, or if ctx or
// the time to live of env ends while put waits for room. env is nil if the item is no envelope.
func (o *outbox) put(ctx context.Context, env *transport.Envelope, size, limit, items int, add func(*batch)) (bool, error) {
	o.mu.Lock()
	if o.waits {
		if err := o.awaitRoom(ctx, env); err != nil {
			o.mu.Unlock()
			return true, err
		}
		if err := o.room.reserve(o.room.limit, size); err != nil {
			o.mu.Unlock()
			return true, err
		}
	}
	b, fresh := o.last(size, limit, items)
	before := len(b.buf)
	add(b)
	b.items += items
	if fresh && len(b.buf) > limit {
		n := len(o.waiting) - 1
		o.waiting[n] = nil
		o.waiting = o.waiting[:n]
		o.mu.Unlock()
		o.room.give(size)
		return false, nil
	}
	o.room.give(size - (len(b.buf) - before)) // it was an estimate
	wake := !o.busy
	o.busy = true
	o.mu.Unlock()
	if wake {
		o.pool.Go(o)
	}
	return true, nil
}

// awaitRoom returns when a batch may be added. It is called with mu held, and
// releases mu while it waits. The wait counts against env's time to live.
func (o *outbox) awaitRoom(ctx context.Context, env *transport.Envelope) error {
	if len(o.waiting) <= maxWaiting {
		return nil
	}
	var expired <-chan time.Time
	if env != nil && env.TTLMs > 0 {
		end := time.Now().Add(env.TTL())
		timer := time.NewTimer(time.Until(end))
		defer timer.Stop()
		expired = timer.C
		defer func() {
			env.TTLMs = max(1, time.Until(end).Milliseconds())
			env.Stamp()
		}()
	}
	for len(o.waiting) > maxWaiting {
		if o.taken == nil {
			o.taken = make(chan struct{})
		}
		taken := o.taken
		o.mu.Unlock()
		var err error
		select {
		case <-taken:
		case <-ctx.Done():
			err = outcome.ContextError(ctx.Err(), outcome.NotSent)
		case <-expired:
			err = outcome.Errorf(outcome.ErrEnvelopeExpired, "the connection takes no more").WithOutcome(outcome.NotSent)
		}
		o.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// hold keeps items back until release, unless the flusher is on its way already.
// In that case it returns false, and release must not be called.
func (o *outbox) hold() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy {
		return false
	}
	o.busy = true
	return true
}

// release sends the items that were held.
func (o *outbox) release() {
	if o.more() {
		o.pool.Go(o)
	}
}

// last returns the batch that takes the next items; it is called with mu held.
func (o *outbox) last(size, limit, items int) (b *batch, fresh bool) {
	if n := len(o.waiting); n > 0 {
		if b = o.waiting[n-1]; b.items+items <= maxItems && len(b.buf)+size <= min(maxBatch, limit) {
			return b, false
		}
	}
	b = batches.Get().(*batch)
	o.waiting = append(o.waiting, b)
	return b, true
}

// crowd: when this many calls wait for an answer, others are probably about to send.
const crowd = 8

// Run implements pool.Task: it sends a batch and lets others send before the
// next. A message of answers wakes many callers. The first that sends again wakes the flusher, so the flusher
// lets the others go first. They go along with it, and not one by one.
func (o *outbox) Run(pool.Slot) {
	if o.open != nil && o.open.Load() >= crowd {
		runtime.Gosched()
	}
	if !o.parks() && o.next() && o.more() {
		o.pool.Go(o)
	}
}

// halt keeps what waits, and what comes, until resume.
func (o *outbox) halt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.halted = true
}

func (o *outbox) parks() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.parked = o.parked || o.halted
	return o.halted
}

func (o *outbox) resume() {
	o.mu.Lock()
	wake := o.parked
	o.halted, o.parked = false, false
	o.mu.Unlock()
	if wake {
		o.pool.Go(o)
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
	size := len(b.buf)
	o.send(b)
	o.room.give(size)
	b.recycle()
	return true
}

// Quiet reports whether nothing waits, and nothing is sent.
func (o *outbox) Quiet() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.busy && len(o.waiting) == 0
}

// more reports whether a batch waits; without one the outbox is quiet.
func (o *outbox) more() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = len(o.waiting) > 0
	return o.busy
}
