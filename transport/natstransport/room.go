// The bounds on bytes that wait

package natstransport

import (
	"math"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

// room bounds the bytes that wait in outboxes. All shards share one, and all peers
// another, so that requests do not take the place of replies.
type room struct {
	limit int64
	bytes atomic.Int64
}

func (r *room) init(limit int) {
	if r.limit = int64(limit); limit < 0 {
		r.limit = math.MaxInt64 / 4
	}
}

// reserve takes room for size bytes, or returns an error if more than limit would
// be taken then. One message always has room.
func (r *room) reserve(limit int64, size int) *outcome.Error {
	n := r.bytes.Add(int64(size))
	if n > limit && n > int64(size) {
		r.give(size)
		return outcome.Overloaded(dispatch.RetryHint, "%d bytes wait for the connection: at most %d allowed", n-int64(size), limit).WithOutcome(outcome.NotSent)
	}
	return nil
}

// give gives room back.
func (r *room) give(size int) { r.bytes.Add(int64(-size)) }

// inbox measures the messages that wait for the reader. nats.go counts the messages that it has
// received. On a given connection it also counts messages for other users of the connection, so the
// measure begins anew whenever nothing waits.
type inbox struct {
	limit    int64
	received uint64 // nats.go's count when nothing waited
	read     uint64 // since then
}

// take notes that the reader has taken a message.
func (t *Transport) take(bytes int) {
	if len(t.in) == 0 {
		t.waits.received, t.waits.read = atomic.LoadUint64(&t.nc.Load().InBytes), 0
		return
	}
	t.waits.read += uint64(bytes)
}

// crowded returns why requests must be refused, because the reader falls behind,
// or nil. full is whether there is no room for notifications either.
func (t *Transport) crowded() (why *outcome.Error, full bool) {
	messages := len(t.in)
	if messages == 0 {
		return nil, false
	}
	bytes := int64(atomic.LoadUint64(&t.nc.Load().InBytes) - t.waits.received - t.waits.read)
	bytes = min(bytes, int64(messages)*t.maxPayload.Load())
	if messages > cap(t.in)/2 || bytes > t.waits.limit/2 {
		why = outcome.Overloaded(dispatch.RetryHint, "%d messages of %d bytes wait for the node's reader", messages, bytes)
	}
	return why, bytes > t.waits.limit
}

// limit is how large a packet's envelopes or replies may be.
func (t *Transport) limit() int {
	most := t.maxPayload.Load()
	if most <= 0 { // the watcher has yet to see that there is a server
		if most = t.nc.Load().MaxPayload(); most <= 0 {
			most = wire.DefaultMaxMessage
		}
	}
	return max(0, int(most)-wire.Overhead)
}
