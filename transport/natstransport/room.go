// The bounds on bytes that wait

package natstransport

import (
	"math"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
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
