// A connection that asks: its open calls, and the way back

package natstransport

import (
	"context"
	"math"

	"github.com/clstr-go/clstr/outcome"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/peakmap"
	"github.com/clstr-go/clstr/internal/recent"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// maxPeers is how many peers without a call here are remembered.
const maxPeers = 1024

// peers are the connections that have sent us requests, the latest one first. Only the reader uses
// them, and its work does not grow with their number.
type peers struct{ byInbox *simplelru.LRU[string, *peer] }

func newPeers() peers {
	byInbox, _ := simplelru.NewLRU[string, *peer](math.MaxInt, nil) // forget bounds it: a peer that has a call here stays
	return peers{byInbox}
}

// forget makes room for another peer. It looks at two peers at most for each message, so that it
// can also make up for an earlier message that found no peer to forget.
func (ps peers) forget() {
	for range 2 {
		if ps.byInbox.Len() < maxPeers {
			return
		}
		if inbox, p, _ := ps.byInbox.GetOldest(); p.idle() {
			ps.byInbox.RemoveOldest()
		} else {
			ps.byInbox.Get(inbox) // it goes behind the others
		}
	}
}

// peer is a connection that has sent us requests, known by its inbox. Its mutex
// is the outbox's.
type peer struct {
	outbox
	t       *Transport
	calls   peakmap.Map[uint64, *remote]
	numbers recent.Set // of notifications that were accepted: one that is to come behind another finds it here
}

// remote is a call whose sender is in another process.
type remote struct {
	dispatch.Call
	t     *Transport
	peer  *peer // nil if the sender awaits nothing
	id    uint64
	epoch uint64 // in which the sender takes this node for the owner
}

func (p *peer) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls.Len() == 0 && !p.busy
}

// open remembers a call that was dispatched until it is answered, so that it can be cancelled. The code that takes it
// parts with it.
func (p *peer) open(r *remote) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Replied() { // its answer has not found it here, or will not
		dispatch.Part(&r.Call)
		return
	}
	if again, ok := p.calls.Get(r.id); ok { // our own senders use no id twice
		dispatch.Part(&again.Call)
	}
	p.calls.Set(r.id, r)
}

// part parts with a call that waits, if there is one. It is called with mu held.
func (p *peer) part(id uint64) {
	if r := p.take(id); r != nil {
		dispatch.Part(&r.Call)
	}
}

// take is called with mu held.
func (p *peer) take(id uint64) *remote {
	r, _ := p.calls.Get(id)
	p.calls.Delete(id)
	return r
}

// cancel ends a call whose sender has gone. A call that is unknown was answered,
// or never came.
func (p *peer) cancel(id uint64) {
	p.mu.Lock()
	r := p.take(id)
	p.mu.Unlock()
	if r != nil {
		r.Leave(context.Canceled)
		dispatch.Part(&r.Call)
	}
}

// newRemote makes a call of an envelope that has come. Its memory may be that of a call that is over.
func newRemote(t *Transport, e *wire.Envelope, id uint64) *remote {
	r, ok := t.d.Far().(*remote)
	if !ok {
		r = &remote{t: t}
		t.d.Adopt(&r.Call)
	}
	r.id, r.epoch = id, e.Epoch
	r.Init(&e.Envelope, r, e.Budget)
	r.Keep(e.Shared)
	return r
}

// Reuse implements [dispatch.Reuser].
func (r *remote) Reuse() { r.peer = nil }

// Reply implements [dispatch.Replier]. A refusal that no sender is told is logged.
func (r *remote) Reply(c *dispatch.Call, data []byte, err *outcome.Error) {
	env := c.Envelope()
	if r.peer == nil {
		if err != nil {
			r.t.log.Warn("notification is refused", sparse.Entity(env.Kind, env.Shard, env.Key), "error", err)
		}
		return
	}
	reply := wire.Reply{ID: r.id, Data: data, Err: err}
	if err != nil && err.Sentinel() == outcome.ErrNotOwner && err.Outcome.NeverRan() {
		reply.Owner = r.t.owners.ownerOf(uint32(env.Shard), r.epoch)
	}
	r.peer.reply(env.ReplyTo, &reply)
}

// answer sends a reply; it copies data.
func (p *peer) answer(id uint64, subject string, data []byte, err *outcome.Error) {
	p.reply(subject, &wire.Reply{ID: id, Data: data, Err: err})
}

// accepted tells the sender of notifications that they were accepted.
func (p *peer) accepted(subject string, all ids) {
	r := wire.Reply{ID: all.first, Further: all.further}
	if _, full := p.put(subject, p.t.limit(), &r, 1); full != nil {
		p.dropped(full)
	}
}

// refuse answers an envelope to a shard that this node does not serve. The sender of a notification
// without an acknowledgement has gone on, so the answer tells its end.
func (p *peer) refuse(id uint64, subject string, e *wire.Envelope) {
	shard := uint32(e.Shard)
	r := wire.Reply{ID: id, Err: p.t.directory.NotServed(shard, e.Epoch), Owner: p.t.owners.ownerOf(shard, e.Epoch)}
	if r.Unawaited = e.Delivery == transport.AwaitNothing; r.Unawaited {
		r.Shard = shard
	}
	p.reply(subject, &r)
}

// reply sends a reply; it copies the data.
func (p *peer) reply(subject string, r *wire.Reply) {
	id, data, err := r.ID, r.Data, r.Err
	limit := p.t.limit()
	fits, full := p.put(subject, limit, r, 1)
	if fits && full == nil {
		return
	}
	var short *outcome.Error
	switch {
	case err != nil:
		short = wire.Shorten(err)
	case full != nil:
		short = full.WithOutcome(outcome.RanAndFailed)
	default:
		short = wire.ReplyTooLarge(id, data, nil, limit+wire.Overhead)
	}
	if fits, full = p.put(subject, limit, &wire.Reply{ID: id, Err: short}, 1); !fits || full != nil {
		p.mu.Lock()
		p.part(id)
		p.mu.Unlock()
		p.dropped(full)
	}
}

func (p *peer) dropped(full *outcome.Error) {
	p.t.log.Warn("reply is dropped", "limit", p.t.limit()+wire.Overhead, "error", full)
}

// small is how many bytes a reply may have that finds room where there is none for larger ones.
// Without that room a caller would not know what became of its call.
const small = 1 << 10

// many is how many refusals at once get only a quarter of the room, so that a flood of packets leaves room for other replies.
const many = 64

// put adds a reply, or the same one for n calls.
func (p *peer) put(subject string, limit int, r *wire.Reply, n int) (fits bool, full *outcome.Error) {
	size := 32 + len(r.Data) + sizeOf(r.Err)
	if r.Owner.Node != "" || r.Unawaited {
		size += 32 + len(r.Owner.Node)
	}
	size *= n
	most := p.room.limit
	if n == many {
		most /= 4
	} else if size <= small {
		most *= 2
	}
	if full = p.room.reserve(most, size); full != nil {
		return true, full
	}
	fits, _ = p.outbox.put(context.Background(), nil, size, limit, max(n, 1+int(r.Further)), func(b *batch) {
		p.part(r.ID)
		b.buf = r.AppendTimes(b.buf, n)
		if b.reply == "" {
			b.reply = subject
		}
	})
	return fits, nil
}

// sizeOf is what an error takes at most: a byte that is no UTF-8 becomes three.
func sizeOf(e *outcome.Error) (size int) {
	if e != nil {
		size = 48 + 3*(len(e.Code)+len(e.Message)) + len(e.Detail)
		for _, c := range e.Causes {
			size += sizeOf(c)
		}
	}
	return size
}

// publish sends a batch of replies, to the reply subject of the first: the
// requester listens to all of its inbox and goes by the ids.
func (p *peer) publish(b *batch) {
	if err := p.t.link.Conn().Publish(b.reply, wire.AppendEnd(b.buf, 0)); err != nil {
		p.t.log.Warn("replies were not sent", "bytes", len(b.buf), "error", err)
	}
}
