// One question for owners: it is put again until it has an answer, or its time is over

package natstransport

import (
	"context"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
)

// asking is a question to the nodes that is open. The transport's clock has it asked again, and
// ends it.
type asking struct {
	t     *Transport
	node  expiry.Node
	round uint64
	done  chan struct{} // closed at its end

	// Guarded by owners.mu.
	news  chan struct{} // closed, and made anew, with each answer
	ends  int64
	heard bool   // a node with a fixed list has answered
	next  uint32 // the first shard that it asks for
}

// await returns a route as soon as found has one, or nil at the end of the question, or of ctx.
func (q *asking) await(ctx context.Context, found func() *route) *route {
	for {
		q.t.owners.mu.Lock()
		news := q.news
		q.t.owners.mu.Unlock()
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

// put asks, and has it done again after a while. It is called with owners.mu held.
func (q *asking) put() {
	if !q.heard {
		q.send()
	}
	q.t.clock.Add(&q.node, q, min(expiry.Now()+int64(askAgain), q.ends))
}

// Expire implements [expiry.Expirer].
func (q *asking) Expire() {
	a, o := &q.t.asker, &q.t.owners
	o.mu.Lock()
	open, over := a.question == q, expiry.Now() >= q.ends
	if open && !over {
		q.put()
	}
	if open && over && q.heard {
		a.surveyed = true
		for node, box := range o.boxes {
			box.fixed = box.fixed && (box.round == q.round || box.since >= q.round) // the others may have gone
			if !box.fixed && box.routes == 0 && box.quiet() {
				delete(o.boxes, node)
			}
		}
	}
	o.mu.Unlock()
	if open && over {
		a.state.CompareAndSwap(unasked, silent) // a shard without an owner has it asked again
		a.settle(q, 0)
	}
}

// send asks for the owners of the shards from next on. It is called with owners.mu held.
func (q *asking) send() {
	t, ask := q.t, wire.AppendOwners(nil, &wire.Owners{First: q.next})
	t.flusher.Go(task(func() {
		if err := t.link.Conn().PublishRequest(t.opts.Prefix+".who", t.who, ask); err != nil {
			t.asker.settle(nil, 0)
		}
	}))
}
