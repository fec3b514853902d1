// Shards' subscriptions, and requests that arrive

package natstransport

import (
	"cmp"
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

// queueGroup makes two subscribers of one shard share its messages: each is
// handled once.
const queueGroup = "owner"

// flushTimeout bounds a round trip to the server if the caller does not.
const flushTimeout = 5 * time.Second

// subscription is the subscription of one shard.
type subscription struct {
	*dispatch.Sub
	t     *Transport
	shard uint32
	epoch uint64
	nats  *nats.Subscription
	life  *dispatch.Lifetime // of the node, if it is one's

	denied error // the server's refusal; guarded by t.mu
}

// SubscribeShard implements [transport.ServerTransport].
func (t *Transport) SubscribeShard(ctx context.Context, shardID uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return dispatch.SubscribeShard(ctx, t.Backend(), shardID, h)
}

// subscribe registers s at the connection. The reader must know it before its
// first message, and so must a Close.
func (t *Transport) subscribe(s *subscription) (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return outcome.Errorf(outcome.ErrTransportClosed, "shard %d", s.shard)
	}
	if err = t.hearTurns(); err != nil {
		return err
	}
	if s.nats, err = t.nc.ChanQueueSubscribe(t.subjectOf(s.shard, s.epoch), queueGroup, t.in); err == nil {
		t.subs[s.nats] = s
		all := append(t.serve[s.shard], s)
		slices.SortStableFunc(all, func(a, b *subscription) int { return cmp.Compare(b.epoch, a.epoch) })
		t.serve[s.shard] = all
	}
	return err
}

// flush returns when the server has seen all that was sent, and what it has
// refused of that was heard.
func (t *Transport) flush(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushTimeout)
		defer cancel()
	}
	if err := t.nc.FlushWithContext(ctx); err != nil {
		if ctx.Err() != nil {
			return outcome.ContextError(ctx.Err(), outcome.NotSent)
		}
		return notSent(err)
	}
	t.hearAll(ctx)
	return nil
}

// Shared implements [dispatch.Link] for shards of a fixed list: the server gives each message to
// one of the two subscriptions. The transport does not know those of other processes.
func (s *subscription) Shared() bool {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.epoch == 0 && slices.ContainsFunc(s.t.serve[s.shard], func(o *subscription) bool { return o != s && o.epoch == 0 })
}

// Leave implements [dispatch.Link]. Messages that the server has sent before it knew of the end are
// still accepted.
func (s *subscription) Leave() error {
	if s.nats != nil {
		s.t.drain(s)
	}
	return nil
}

// drain takes the server's interest in the shards back and returns when the
// last message has been accepted.
func (t *Transport) drain(subs ...*subscription) {
	drained := 0
	for _, s := range subs {
		if t.nc.IsConnected() && s.nats.Drain() == nil && t.nc.IsConnected() {
			drained++
			continue
		}
		// Nothing comes. A drain that waits for the connection would subscribe
		// again when it is back, and the server would send to nobody.
		_ = s.nats.Unsubscribe()
	}
	if drained > 0 {
		if t.flush(context.Background()) != nil { // the connection went away meanwhile: the same
			for _, s := range subs {
				_ = s.nats.Unsubscribe()
			}
		}
		t.readUpToHere()
	}
	t.mu.Lock()
	for _, s := range subs {
		delete(t.subs, s.nats)
		all := slices.DeleteFunc(t.serve[s.shard], func(o *subscription) bool { return o == s })
		if t.serve[s.shard] = all; len(all) == 0 {
			delete(t.serve, s.shard)
		}
	}
	t.mu.Unlock()
}

// requests takes a message to a shard.
func (t *Transport) requests(s *subscription, m *nats.Msg) {
	if m.Reply != "" && !t.isInbox(m.Reply) {
		// An answer to that subject would let a caller write wherever this node may.
		t.packets.refused.Add(1)
		t.log.Warn("message is ignored: its reply subject is no inbox", sparse.Shard(s.shard))
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
	t.handing = handing{sub: s, msg: m}
	t.handOn()
}

// handOn dispatches the envelopes of the packet that are left.
func (t *Transport) handOn() {
	h := &t.handing
	s, m := h.sub, h.msg
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
				t.log.Warn("request is ignored: it has no reply subject", sparse.Shard(s.shard))
				continue
			}
			p = t.peer(m.Reply)
		}
		if _, left := slices.BinarySearch(t.packet.Cancels, id); left {
			continue // its sender had gone before it was sent
		}
		err := h.bad
		if err == nil {
			if err = check(e, s.shard); err != nil {
				h.bad = errBehindBad
			}
		}
		if err == nil && e.Type == turnsAt && e.Delivery == transport.AwaitReply {
			held = held || p.hold()
			p.answer(id, m.Reply, []byte(t.turns.subject), nil)
			continue
		}
		if err == nil && crowded != nil && (full || e.Delivery != transport.AwaitNothing) {
			err = crowded
		}
		if err == nil && e.After != 0 && (p == nil || !p.numbers.has(e.After)) {
			err = errGap
		}
		switch {
		case err == nil && e.Delivery == transport.AwaitNothing:
			s.Dispatch(dispatch.NewCall(e.Envelope, &t.unawaited, 0))
		case err == nil:
			r := &remote{peer: p, id: id}
			r.Init(e.Envelope, r, e.Budget)
			r.SetWaiting(e.Waiting)
			p.open(r)
			s.Dispatch(&r.Call)
			if e.Number != 0 && r.Accepted() {
				p.numbers.add(e.Number)
			}
		case e.Delivery == transport.AwaitNothing:
			t.log.Warn("notification is refused", sparse.Shard(s.shard), "error", err)
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
	*h = handing{}
}

// errGap refuses a notification that would overtake another.
var errGap = outcome.Errorf(outcome.ErrOutOfOrder, "the one before it from its sender was not accepted here")

// errBehindBad refuses the rest of a packet.
var errBehindBad = outcome.Errorf(outcome.ErrBadEnvelope, "an envelope before this one in its message is bad")

func check(e *wire.Envelope, shard uint32) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if e.Shard != int(shard) {
		return outcome.Errorf(outcome.ErrBadEnvelope, "shard %d on the subject of shard %d", e.Shard, shard)
	}
	return nil
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
