// The way to shards of this end, which needs no NATS

package natstransport

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/recent"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/serving"
)

// here stands for this end where it is the node of its own calls. They go to the shard's subscription at once, as the reader
// would take them there, and need no connection.
//
// Whether a route leads here never changes. So in one epoch all calls to a shard go the same way, in order.
type here struct {
	mu      sync.Mutex
	numbers recent.Set // of notifications that were accepted this way
}

// parcel is a message that may be a value, and a reply that may be one: see [dispatch.Carrier].
type parcel struct {
	message plain.Value
	want    *plain.Type
	lends   bool // the reply's bytes may be lent
	reply   plain.Value
}

// encode makes the payload's bytes, once. A nil parcel has none to make.
func (p *parcel) encode(env *transport.Envelope) {
	if p != nil && env.Data == nil && p.message.Type() != nil {
		env.Data = p.message.Encoded()
		p.message = plain.Value{}
	}
}

// handOver gives an envelope to its shard at this end, and waits for what its delivery names.
func (h *here) handOver(ctx context.Context, r *route, env *transport.Envelope, p *parcel) (data []byte, err error) {
	s, most, err := h.serving(ctx, r, env, p)
	switch {
	case err != nil:
	case p == nil:
		data, err = s.Do(ctx, *env)
	default:
		if data, p.reply, err = s.Carry(ctx, env, p.message, p.want); p.reply.Size() > most/2 {
			data, p.reply = p.reply.Encoded(), plain.Value{}
		}
	}
	if data, err = wire.CheckReply(data, err, most); err != nil {
		h.refused(r, err)
	}
	return data, err
}

// serving returns the subscription that an envelope goes to, and how large a message may be.
func (*here) serving(ctx context.Context, r *route, env *transport.Envelope, p *parcel) (s *serving.Subscription, most int, err error) {
	t := r.To.t
	most = t.limit() + wire.Overhead
	if s = t.table.Serving(r.Shard, r.Epoch); s == nil {
		return nil, most, t.directory.NotServed(r.Shard, r.Epoch).WithOutcome(outcome.NotStarted)
	}
	size := wire.AtMost(env)
	if p != nil {
		size += p.message.Size()
	}
	if size > most { // it may be too large, and only its bytes tell
		p.encode(env)
		err = wire.CheckRequest(ctx, env, dispatch.Waiting(ctx), most)
	}
	return s, most, err
}

// refused takes note of the owner that this end knows, if it has refused a call because it is not the owner.
func (*here) refused(r *route, err error) {
	e, _ := errors.AsType[*outcome.Error](err)
	if e != nil && e.Sentinel() == outcome.ErrNotOwner && e.Outcome.NeverRan() {
		r.To.t.owners.Follow(r, r.To.t.owners.ownerOf(r.Shard, r.Epoch))
	}
}

// post gives a notification to its shard at this end: see [dispatch.Poster].
func (h *here) post(ctx context.Context, r *route, env *transport.Envelope, o dispatch.Order, until time.Time, to dispatch.Told) (open bool, err error) {
	s, _, err := h.serving(ctx, r, env, nil)
	if err == nil && o.After != 0 && !h.has(o.After) {
		err = notStarted(errGap)
	}
	if err == nil {
		open, err = s.Post(ctx, env, until, to)
	}
	switch {
	case err != nil:
		h.refused(r, err)
	case !open:
		h.add(o.Number)
	}
	return open, err
}

func (h *here) has(number uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.numbers.Has(number)
}

func (h *here) add(number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.numbers.Add(number)
}
