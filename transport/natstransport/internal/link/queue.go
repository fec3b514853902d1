// What has come and waits for the reader, and what nats.go has dropped

package link

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// queue is what has come. Its reader never blocks.
type queue struct {
	In    chan *nats.Msg // in order; one without a subscription is a mark
	ended chan struct{}  // closed at the reader's end

	came atomic.Uint64 // messages

	// The reader's. nats.go counts the bytes that it has received. On a given connection it also counts those for other
	// users of the connection, so the count begins anew whenever nothing waits.
	overlap  overlap
	received uint64 // nats.go's count when nothing waited
	read     uint64 // since then

	seen, more uint64 // bytes of packets since then, and how many bytes more they weigh: see Had

	mu    sync.Mutex
	marks []func() // of those in the channel, in order
}

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

// ReadSent returns when all that was sent to this end before is handed on, if there is a connection.
func (l *Link) ReadSent() {
	if l.Up() && !l.Closed() && l.Flush(context.Background()) == nil {
		l.UpToHere()
	}
}

// Take hands a message to its ear. Only the reader calls it.
func (l *Link) Take(m *nats.Msg) {
	if len(l.In) == 0 {
		l.received, l.read = atomic.LoadUint64(&l.Conn().InBytes), 0
		l.seen, l.more = 0, 0
	} else {
		l.read += uint64(len(m.Data))
	}
	if m.Sub == nil {
		l.queue.mu.Lock()
		mark := l.marks[0]
		l.marks = l.marks[1:]
		l.queue.mu.Unlock()
		mark()
		return
	}
	l.came.Add(1)
	if m.Subject == l.self {
		return // it has come
	}
	e := l.of(m.Sub)
	if e.Once {
		old := e.old.Load()
		if m.Sub == e.left || !l.overlap.admits(m, old != nil, m.Sub == old) {
			return
		}
	}
	e.Take(m)
}

// An item of a packet, an envelope or a cancellation, counts as at least itemBytes. The reader takes up to a thousand times as long for a
// packet of tiny items as for one large item. Our own senders' items are seldom smaller. How many items a packet has is known only when it
// is read. So the packets that wait count like those read last, and for less until fewSeen bytes have been read.
const (
	itemBytes = 64
	fewSeen   = 256 << 10
	manySeen  = 16 << 20
)

// Had notes how many items a packet has that was read. Only the reader calls it.
func (q *queue) Had(bytes, items int) {
	if q.seen += uint64(bytes); q.seen > manySeen {
		q.seen, q.more = q.seen/2, q.more/2
	}
	q.more += uint64(max(0, items*itemBytes-bytes))
}

// Waiting is how many messages wait for the reader, and how many bytes they count as at most. Only the reader calls it.
func (l *Link) Waiting() (messages int, bytes int64) {
	if messages = len(l.In); messages > 0 {
		bytes = int64(atomic.LoadUint64(&l.Conn().InBytes) - l.received - l.read)
	}
	bytes = min(bytes, int64(messages)*l.MaxMessage.Load())
	if l.more > 0 {
		bytes += int64(float64(bytes) * (float64(l.more) / float64(max(l.seen, fewSeen))))
	}
	return messages, bytes
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

// drops counts the messages that nats.go has dropped. It remembers the count of each subscription, because nats.go tells
// nothing of a subscription that has ended.
type drops struct {
	mu    sync.Mutex
	live  map[*nats.Subscription]uint64
	ended uint64
}

// Dropped is how many messages nats.go has dropped.
func (l *Link) Dropped() uint64 { return l.drops.count(nil) }

// count returns how many there are, and from now on counts those of a further subscription too; it may be nil.
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
