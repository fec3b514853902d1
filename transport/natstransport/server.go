// Requests that arrive at this node

package natstransport

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// flushTimeout bounds a round trip to the server if the caller does not.
const flushTimeout = 5 * time.Second

// SubscribeShard implements [transport.ServerTransport].
func (t *Transport) SubscribeShard(ctx context.Context, shardID uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return dispatch.SubscribeShard(ctx, t.Backend(), shardID, h)
}

// flush returns when the server has seen all that was sent, and what it has
// refused of that was heard.
func (t *Transport) flush(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushTimeout)
		defer cancel()
	}
	if err := t.nc.Load().FlushWithContext(ctx); err != nil {
		if ctx.Err() != nil {
			return outcome.ContextError(ctx.Err(), outcome.NotSent)
		}
		return notSent(err)
	}
	t.reports.all(ctx)
	return nil
}

// requests takes a message to this node.
func (t *Transport) requests(m *nats.Msg) {
	if m.Reply != "" && !t.isInbox(m.Reply) {
		// An answer to that subject would let a caller write wherever this node may.
		t.packets.refused.Add(1)
		t.log.Warn("message is ignored: its reply subject is no inbox", "subject", m.Subject)
		return
	}
	if why, full := t.crowded(); full {
		t.packets.refused.Add(1)
		t.log.Warn("message is refused", "subject", m.Subject, "bytes", len(m.Data), "error", why)
		t.refuseUnread(m, why) // to decode it would keep the reader behind
		return
	}
	if err := t.decoder.Decode(m.Data, &t.packet); err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("message is refused: it does not decode", "subject", m.Subject, "bytes", len(m.Data), "error", err)
		t.refuseUnread(m, err)
		return
	}
	slices.Sort(t.packet.Cancels)
	t.handing.msg = m
	t.handOn()
}

// handOn dispatches the envelopes of the packet that are left.
func (t *Transport) handOn() {
	h := &t.handing
	m := h.msg
	var p *peer // of those that await something
	if len(t.packet.Cancels) > 0 && m.Reply != "" {
		p = t.peer(m.Reply)
	}
	crowded, full := t.crowded()
	held := false
	defer func() {
		if held {
			p.release()
		}
	}()
	for h.next < len(t.packet.Envelopes) {
		e := &t.packet.Envelopes[h.next]
		id := t.packet.FirstID + uint64(h.next)
		h.next++
		e.ReplyTo = m.Reply
		if e.TTLMs > 0 || e.ID != "" {
			e.Stamp()
		}
		if e.Delivery != transport.AwaitNothing && p == nil {
			if m.Reply == "" {
				t.log.Warn("request is ignored: it has no reply subject", sparse.Shard(uint32(e.Shard)))
				continue
			}
			p = t.peer(m.Reply)
		}
		if _, left := slices.BinarySearch(t.packet.Cancels, id); left {
			continue // its sender had gone before it was sent
		}
		err := h.bad
		if err == nil {
			if err = e.Validate(); err != nil {
				h.bad = errBehindBad
			}
		}
		if err == nil && e.Type == aliveAt && e.Delivery == transport.AwaitReply {
			held = held || p.hold()
			p.answer(id, m.Reply, nil, nil)
			continue
		}
		s := t.serving(uint32(e.Shard), e.Epoch)
		if err == nil && s == nil {
			if p == nil && m.Reply != "" {
				p = t.peer(m.Reply)
			}
			if p == nil {
				t.log.Warn("notification is refused", sparse.Shard(uint32(e.Shard)), "error", t.notServed(uint32(e.Shard), e.Epoch))
				continue
			}
			held = held || p.hold()
			p.refuse(id, m.Reply, e)
			continue
		}
		if err == nil && e.Type == turnsAt && e.Delivery == transport.AwaitReply {
			held = held || p.hold()
			p.answer(id, m.Reply, []byte(t.ears.turns.subject), nil)
			continue
		}
		if err == nil && crowded != nil && (full || e.Delivery != transport.AwaitNothing) {
			err = crowded
		}
		if err == nil && e.After != 0 && (p == nil || !p.numbers.has(e.After)) {
			err = errGap
		}
		switch {
		case err == nil:
			r := remotes.Get().(*remote)
			r.t, r.id, r.epoch = t, id, e.Epoch
			r.Init(e.Envelope, r, e.Budget)
			switch e.Delivery {
			case transport.AwaitNothing:
				s.Dispatch(&r.Call)
				dispatch.Part(&r.Call)
				continue
			case transport.AwaitAccept:
				r.AckByReturn()
			}
			r.peer = p
			r.SetWaiting(e.Waiting)
			s.Dispatch(&r.Call)
			if e.Number != 0 && r.Accepted() {
				p.numbers.add(e.Number)
			}
			if r.AckedByReturn() {
				h.accept(id)
				dispatch.Part(&r.Call) // it is no further use
			} else {
				p.open(r)
			}
		case e.Delivery == transport.AwaitNothing:
			t.log.Warn("notification is refused", sparse.Shard(uint32(e.Shard)), "error", err)
		default:
			held = held || p.hold() // all refusals share messages
			p.answer(id, m.Reply, nil, notStarted(err))
		}
	}
	for _, id := range t.packet.Cancels {
		if p != nil {
			p.cancel(id)
		}
	}
	if len(h.accepted) > 0 {
		if p == nil {
			p = t.peer(m.Reply)
		}
		held = held || p.hold()
		for _, r := range h.accepted {
			p.accepted(m.Reply, r)
		}
	}
	*h = handing{accepted: h.accepted[:0]}
}

// errGap refuses a notification that would overtake another.
var errGap = outcome.Errorf(outcome.ErrOutOfOrder, "the one before it from its sender was not accepted here")

// errBehindBad refuses the rest of a packet.
var errBehindBad = outcome.Errorf(outcome.ErrBadEnvelope, "an envelope before this one in its message is bad")

// notServed is the error for a shard that this node does not serve in its epoch.
func (t *Transport) notServed(shard uint32, epoch uint64) *outcome.Error {
	if epoch == 0 && len(*t.dirs.Load()) == 0 {
		return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", shard)
	}
	return outcome.Errorf(outcome.ErrNotOwner, "the node does not own shard %d in epoch %d", shard, epoch)
}

// ownerOf returns the owner of a shard that this node knows beyond the epoch of a sender.
func (t *Transport) ownerOf(shard uint32, epoch uint64) (owner wire.Owner) {
	if r := t.owners.routes.Get(shard); r != nil && r.told() {
		owner = wire.Owner{Epoch: r.epoch, Node: r.to.node}
	}
	for _, s := range *t.dirs.Load() {
		if o, _ := s.dir.Owners(shard, 1); len(o) > 0 && o[0].Address != "" && o[0].Epoch >= owner.Epoch {
			owner = wire.Owner{Epoch: o[0].Epoch, Node: o[0].Address}
		}
	}
	if owner.Epoch == epoch {
		return wire.Owner{}
	}
	return owner
}

func notStarted(err error) *outcome.Error {
	if e, ok := errors.AsType[*outcome.Error](err); ok {
		return e.WithOutcome(outcome.NotStarted)
	}
	return outcome.Errorf(outcome.ErrBadEnvelope, "%v", err).WithOutcome(outcome.NotStarted)
}

// refuseUnread answers a packet that was not decoded: each call that the reply
// subject names, or id 0 if the subject names none.
func (t *Transport) refuseUnread(m *nats.Msg, err error) {
	if m.Reply == "" {
		return
	}
	to := parseReplySubject(m.Reply)
	if to.n > 0 && to.unacked == to.n {
		return // they await nothing
	}
	p := t.peer(m.Reply)
	if to.n == 0 {
		to.first, to.n = 0, 1
	}
	n := min(to.n, maxRefusals, max(64, len(m.Data)/2)) // few bytes are not many calls
	refusal := notStarted(err)
	if p.hold() {
		defer p.release()
	}
	for i := range n {
		p.answer(to.first+uint64(i), m.Reply, nil, refusal)
	}
}

// maxRefusals bounds the answers to one message that was not decoded.
const maxRefusals = 4096
