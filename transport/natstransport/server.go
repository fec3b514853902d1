// Requests that arrive at this node

package natstransport

import (
	"errors"
	"slices"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// server is the node's side of requests. Only the reader uses it.
type server struct {
	t       *Transport
	handing handing
	peers   peers
}

// handing is how far the reader has come with the envelopes of a message. If code of the
// application ends the reader's goroutine, the next reader goes on from there.
type handing struct {
	msg  *nats.Msg // nil: with none
	next int
	bad  error // of an envelope before: our senders send none, and what comes behind is not looked at

	accepted []ids // of notifications, which are told when the whole message was handed on
}

// ids are the id first, and as many behind it as further says.
type ids struct{ first, further uint64 }

// accept notes that a notification was accepted.
func (h *handing) accept(id uint64) {
	if n := len(h.accepted) - 1; n >= 0 && h.accepted[n].first+h.accepted[n].further+1 == id {
		h.accepted[n].further++
		return
	}
	h.accepted = append(h.accepted, ids{first: id})
}

// goOn goes on where a reader was ended by code of the application's.
func (s *server) goOn() {
	if s.handing.msg != nil {
		s.handOn()
	}
}

// take takes a message to the subject of this end.
func (s *server) take(m *nats.Msg) {
	t := s.t
	if m.Reply != "" && !t.link.IsInbox(m.Reply) {
		// An answer to that subject would let a caller write wherever this node may.
		t.packets.refused.Add(1)
		t.log.Warn("message is ignored: its reply subject is no inbox", "subject", m.Subject)
		return
	}
	if why, full := t.reader.crowded(); full {
		t.packets.refused.Add(1)
		t.log.Warn("message is refused", "subject", m.Subject, "bytes", len(m.Data), "error", why)
		s.refuseUnread(m, why) // to decode it would keep the reader behind
		return
	}
	if err := t.reader.decoder.Decode(m.Data, &t.reader.packet); err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("message is refused: it does not decode", "subject", m.Subject, "bytes", len(m.Data), "error", err)
		s.refuseUnread(m, err)
		return
	}
	t.link.Had(len(m.Data), len(t.reader.packet.Envelopes)+len(t.reader.packet.Cancels))
	slices.Sort(t.reader.packet.Cancels)
	s.handing.msg = m
	s.handOn()
}

// handOn dispatches the envelopes of the packet that are left.
func (s *server) handOn() {
	t, h, packet := s.t, &s.handing, &s.t.reader.packet
	m := h.msg
	var p *peer // of those that await something
	if len(packet.Cancels) > 0 && m.Reply != "" {
		p = s.peer(m.Reply)
	}
	crowded, full := t.reader.crowded()
	held := false
	defer func() {
		if held {
			p.release()
		}
	}()
	for h.next < len(packet.Envelopes) {
		e := &packet.Envelopes[h.next]
		id := packet.FirstID + uint64(h.next)
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
			p = s.peer(m.Reply)
		}
		if _, left := slices.BinarySearch(packet.Cancels, id); left {
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
			p.answer(id, m.Reply, p.unknown(e.Data), nil)
			continue
		}
		sub := t.table.Serving(uint32(e.Shard), e.Epoch)
		if err == nil && sub == nil {
			if p == nil && m.Reply != "" {
				p = s.peer(m.Reply)
			}
			if p == nil {
				t.log.Warn("notification is refused", sparse.Shard(uint32(e.Shard)), "error", t.directory.NotServed(uint32(e.Shard), e.Epoch))
				continue
			}
			held = held || p.hold()
			p.refuse(id, m.Reply, e)
			continue
		}
		if err == nil && e.Type == turnsAt && e.Delivery == transport.AwaitReply {
			held = held || p.hold()
			p.answer(id, m.Reply, []byte(t.ears.turns.Subject), nil)
			continue
		}
		if err == nil && crowded != nil && (full || e.Delivery != transport.AwaitNothing) {
			err = crowded
		}
		if err == nil && e.After != 0 && (p == nil || !p.numbers.Has(e.After)) {
			err = errGap
		}
		switch {
		case err == nil:
			r := newRemote(t, e, id)
			switch e.Delivery {
			case transport.AwaitNothing:
				sub.Dispatch(&r.Call)
				dispatch.Part(&r.Call)
				continue
			case transport.AwaitAccept:
				r.AckByReturn()
			}
			r.peer = p
			r.SetWaiting(e.Waiting)
			sub.Dispatch(&r.Call)
			if e.Number != 0 && r.Accepted() {
				p.numbers.Add(e.Number)
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
	for _, id := range packet.Cancels {
		if p != nil {
			p.cancel(id)
		}
	}
	if len(h.accepted) > 0 {
		if p == nil {
			p = s.peer(m.Reply)
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

func notStarted(err error) *outcome.Error {
	if e, ok := errors.AsType[*outcome.Error](err); ok {
		return e.WithOutcome(outcome.NotStarted)
	}
	return outcome.Errorf(outcome.ErrBadEnvelope, "%v", err).WithOutcome(outcome.NotStarted)
}

// refuseUnread answers a packet that was not decoded: each call that the reply
// subject names, or id 0 if the subject names none.
func (s *server) refuseUnread(m *nats.Msg, err error) {
	if m.Reply == "" {
		return
	}
	to := wire.ParseReplySubject(m.Reply)
	if to.N > 0 && to.Unacked == to.N {
		return // they await nothing
	}
	p, r := s.peer(m.Reply), wire.Reply{ID: to.First, Err: notStarted(err)}
	for n := min(max(1, to.N), max(many, len(m.Data)/8)); n > 0; n -= many { // a small packet cannot hold many calls
		if _, full := p.put(m.Reply, p.t.limit(), &r, min(n, many)); full != nil {
			p.dropped(full)
			break
		}
		r.ID += many
	}
}

// peer finds the peer behind a reply subject. Only the reader calls it.
func (s *server) peer(reply string) *peer {
	inbox := wire.ParseReplySubject(reply).Inbox
	p, known := s.peers.byInbox.Get(inbox)
	s.peers.forget()
	if !known {
		p = &peer{t: s.t}
		p.pool, p.room, p.send = s.t.flusher, &s.t.replyRoom, p.publish
		s.peers.byInbox.Add(inbox, p)
	}
	return p
}
