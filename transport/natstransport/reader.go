// The connection's one reader, and the next one if code that it calls has ended it

package natstransport

import (
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

// reader takes all messages of the connection.
type reader struct {
	t    *Transport
	most int64 // bytes may wait

	// Only the reader's.
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
		t.link.Take(m)
	}
}

// crowded returns why requests must be refused, because the reader falls behind,
// or nil. full is whether there is no room for notifications either.
func (r *reader) crowded() (why *outcome.Error, full bool) {
	messages, bytes := r.t.link.Waiting()
	if messages > cap(r.t.link.In)/2 || bytes > r.most/2 {
		why = outcome.Overloaded(dispatch.RetryHint, "%d messages wait for the node's reader, and count as %d bytes", messages, bytes)
	}
	return why, bytes > r.most
}
