// One question for owners: it is put again until it has an answer, or its time is over

package routes

import (
	"context"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
)

// question is one to the nodes that is open. The clock has it asked again, and
// ends it.
type question[B Box] struct {
	rs    *Routes[B]
	node  expiry.Node
	round uint64
	done  chan struct{} // closed at its end

	// Guarded by Routes.mu.
	news  chan struct{} // closed, and made anew, with each answer
	ends  int64
	heard bool   // a node with a fixed list has answered
	next  uint32 // the first shard that it asks for
}

// await returns a route as soon as found has one, or nil at the end of the question, or of ctx.
func (q *question[B]) await(ctx context.Context, found func() *Route[B]) *Route[B] {
	for {
		q.rs.mu.Lock()
		news := q.news
		q.rs.mu.Unlock()
		if r := found(); r != nil {
			return r
		}
		select {
		case <-news:
		case <-q.done:
			return found()
		case <-ctx.Done():
			return nil
		}
	}
}

// put asks, and has it done again after a while. It is called with Routes.mu held.
func (q *question[B]) put() {
	if !q.heard {
		q.send()
	}
	q.rs.clock.Add(&q.node, q, min(expiry.Now()+int64(Again), q.ends))
}

// Expire implements [expiry.Expirer].
func (q *question[B]) Expire() {
	rs := q.rs
	rs.mu.Lock()
	open, over := rs.question == q, expiry.Now() >= q.ends
	if open && !over {
		q.put()
	}
	if open && over && q.heard {
		rs.surveyed = true
		for _, box := range rs.boxes {
			n := box.Known()
			n.fixed = n.fixed && (n.round == q.round || n.since >= q.round) // the others may have gone
			if !n.fixed {
				rs.forget(box)
			}
		}
	}
	rs.mu.Unlock()
	if open && over {
		rs.state.CompareAndSwap(unasked, silent) // a shard without an owner has it asked again
		rs.settle(q, 0)
	}
}

// send asks for the owners of the shards from next on. It is called with Routes.mu held.
func (q *question[B]) send() {
	q.rs.end.Send(wire.AppendOwners(nil, &wire.Owners{First: q.next}))
}
