// What the parts of a core share: the moment, and what the core wants done

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// operations are the effects of a core, in order, and what the core does when each has ended.
type operations struct {
	self Self
	now  time.Duration
	out  []Effect
	op   uint64
	ends map[uint64]func(Result) // by op
	gone bool                    // the incarnation is over
}

func (o *operations) emit(e Effect) { o.out = append(o.out, e) }

// do emits an operation on the store.
func (o *operations) do(make func(op uint64) Effect, end func(Result)) {
	o.op++
	o.ends[o.op] = end
	o.emit(make(o.op))
}

func (o *operations) write(key string, rev uint64, of any, end func(Result)) {
	var value []byte
	if of != nil {
		value = record.Encode(of)
	}
	o.do(func(op uint64) Effect { return Write{op, key, rev, value} }, end)
}

func (o *operations) read(key string, end func(Result)) {
	o.do(func(op uint64) Effect { return Read{op, key} }, end)
}

func (o *operations) snapshot(prefix string, end func(Result)) {
	o.do(func(op uint64) Effect { return Snapshot{op, prefix} }, end)
}

// ended returns what is to be done about the end of an operation, once.
func (o *operations) ended(op uint64) func(Result) {
	end := o.ends[op]
	delete(o.ends, op)
	return end
}
