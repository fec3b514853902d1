// The connection's one reader, and the next one if code that it calls has ended it

package natstransport

import (
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

// reader takes all messages of the connection.
type reader struct {
	t *Transport

	// Only the reader's.
	waits   inbox
	decoder wire.Decoder
	packet  wire.Packet
}

// read hands on every message of the connection. It never blocks.
func (r *reader) read() {
	t := r.t
	over := false
	defer func() {
		if over {
			t.link.Ended()
			return
		}
		// Code of the application's, its metrics say, has ended this goroutine. A
		// connection without a reader is deaf, and says nothing: another one goes on.
		t.log.Error("the application's code has ended the connection's reader: another reader goes on", sparse.Panic("runtime.Goexit"))
		t.running.Go(r.read)
	}()
	t.server.goOn()
	t.replies.goOn()
	t.link.GoOn()
	for m := range t.link.In {
		if m == nil {
			over = true
			return
		}
		r.took(len(m.Data))
		t.link.Take(m)
	}
}

// inbox measures the messages that wait for the reader. nats.go counts the messages that it has
// received. On a given connection it also counts messages for other users of the connection, so the
// measure begins anew whenever nothing waits.
type inbox struct {
	limit    int64
	received uint64 // nats.go's count when nothing waited
	read     uint64 // since then
}

// took notes that the reader has taken a message.
func (r *reader) took(bytes int) {
	if len(r.t.link.In) == 0 {
		r.waits.received, r.waits.read = atomic.LoadUint64(&r.t.link.Conn().InBytes), 0
		return
	}
	r.waits.read += uint64(bytes)
}

// crowded returns why requests must be refused, because the reader falls behind,
// or nil. full is whether there is no room for notifications either.
func (r *reader) crowded() (why *outcome.Error, full bool) {
	messages := len(r.t.link.In)
	if messages == 0 {
		return nil, false
	}
	bytes := int64(atomic.LoadUint64(&r.t.link.Conn().InBytes) - r.waits.received - r.waits.read)
	bytes = min(bytes, int64(messages)*r.t.link.MaxMessage.Load())
	if messages > cap(r.t.link.In)/2 || bytes > r.waits.limit/2 {
		why = outcome.Overloaded(dispatch.RetryHint, "%d messages of %d bytes wait for the node's reader", messages, bytes)
	}
	return why, bytes > r.waits.limit
}
