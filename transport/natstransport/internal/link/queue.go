// What has come and waits for the reader, and what nats.go has dropped

package link

import (
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// queue is what has come. Its reader never blocks.
type queue struct {
	In    chan *nats.Msg // in order; one without a subscription is a mark
	ended chan struct{}  // closed at the reader's end

	came    atomic.Uint64 // messages
	overlap overlap       // the reader's

	mu    sync.Mutex
	marks []func() // of those in the channel, in order
}

// Came is how many messages the reader has taken.
func (q *queue) Came() uint64 { return q.came.Load() }

// Ended is called when the reader has ended.
func (q *queue) Ended() { close(q.ended) }

// UpToHere returns when the reader has handed on what came before, or has
// ended.
func (q *queue) UpToHere() { q.Behind(func() {}) }

// Behind has the reader call f behind what has come, and returns when that was done, or when the reader
// has ended.
func (q *queue) Behind(f func()) {
	done := make(chan struct{})
	q.mu.Lock()
	q.marks = append(q.marks, func() { defer close(done); f() })
	q.mu.Unlock()
	select {
	case q.In <- &nats.Msg{}:
	case <-q.ended:
	}
	select {
	case <-done:
	case <-q.ended:
	}
}

// Take hands a message to its ear. Only the reader calls it.
func (l *Link) Take(m *nats.Msg) {
	if m.Sub == nil {
		l.queue.mu.Lock()
		mark := l.marks[0]
		l.marks = l.marks[1:]
		l.queue.mu.Unlock()
		mark()
		return
	}
	l.came.Add(1)
	e := l.of(m.Sub)
	if e.Once {
		old := e.old.Load()
		if m.Sub == e.left || !l.overlap.admits(m, old != nil, m.Sub == old) {
			return
		}
	}
	e.Take(m)
}

// GoOn takes the messages that have waited for the end of the old connection. Only the reader calls it. If code of the
// application's ends the reader, the next one begins with it.
func (l *Link) GoOn() {
	o := &l.overlap
	for o.ended && len(o.line) > 0 {
		m := o.line[0].msg
		o.line[0] = nil
		if o.line = o.line[1:]; m != nil {
			l.of(m.Sub).Take(m)
		}
	}
	if len(o.line) == 0 {
		o.line, o.ended = nil, false
	}
}

// drops counts the messages that nats.go has dropped, by subscription: nats.go tells nothing of a subscription that has ended.
type drops struct {
	mu    sync.Mutex
	live  map[*nats.Subscription]uint64
	ended uint64
}

// Dropped is how many messages nats.go has dropped.
func (l *Link) Dropped() uint64 { return l.drops.count(nil) }

// count returns how many there are, and goes on with a further subscription; it may be nil.
func (d *drops) count(further *nats.Subscription) (all uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for sub, before := range d.live {
		if n, err := sub.Dropped(); err == nil {
			d.live[sub] = uint64(n)
		} else {
			d.ended += before
			delete(d.live, sub)
		}
		all += d.live[sub]
	}
	if further != nil {
		d.live[further] = 0
	}
	return all + d.ended
}
