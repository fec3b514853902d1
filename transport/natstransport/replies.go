// What comes to the inbox

package natstransport

import (
	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
)

// replies takes what comes to the inbox. Only the reader uses it.
type replies struct {
	t    *Transport
	left []wire.Reply // of the packet
	acks []*call      // room for those that a reply decides
	run  []*call      // those of them that are left
	told []dispatch.Told
}

// take takes a message to the inbox.
func (rs *replies) take(m *nats.Msg) {
	t := rs.t
	if m.Subject == t.who {
		t.owners.answer(m)
		return
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		unacked := t.calls.fail(m.Subject, func(c *call) *outcome.Error {
			c.to.To.Gone.Store(true)
			return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", c.to.Shard)
		})
		if unacked > 0 {
			rs.unheard(unacked, m.Header.Get("Nats-Subject"))
		}
		return
	}
	if err := t.reader.decoder.Decode(m.Data, &t.reader.packet); err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("reply does not decode: its call may have run", "error", err)
		t.calls.fail(m.Subject, func(c *call) *outcome.Error {
			return outcome.Errorf(outcome.ErrReply, "shard %d: %v", c.to.Shard, err).WithOutcome(outcome.MaybeRan)
		})
		return
	}
	rs.left = t.reader.packet.Replies
	rs.goOn()
}

// goOn takes the replies that are left. If the application's metrics end the reader's goroutine, the next reader
// goes on with those that follow.
func (rs *replies) goOn() {
	t := rs.t
	rs.tellAccepted()
	for len(rs.left) > 0 {
		r := &rs.left[0]
		rs.left = rs.left[1:]
		if r.Further > 0 {
			rs.acks = t.calls.takeRun(r.ID, int(r.Further)+1, rs.acks[:0])
			rs.run = rs.acks
			rs.tellAccepted()
			t.posted.give(rs.acks)
			continue
		}
		c := t.calls.take(r.ID)
		switch {
		case c != nil:
			c.heard()
			t.owners.Follow(c.to, r.Owner)
			c.sent = r.Err != nil
			c.decide(r.Own(c.lends), r.Err)
		case r.Unawaited:
			rs.unserved(r)
		}
	}
}

// tellAccepted ends the calls of a run that are left: notifications that a node has accepted.
func (rs *replies) tellAccepted() {
	told, by := rs.told[:0], dispatch.Gatherer(nil)
	for len(rs.run) > 0 {
		c := rs.run[0]
		var its dispatch.Gatherer
		if g, ok := c.told.(dispatch.Gathered); ok {
			its = g.By()
		}
		if its != by && len(told) > 0 {
			all := told
			told = told[:0]
			by.Accepted(all)
		}
		rs.run = rs.run[1:]
		c.heard()
		if by = its; by == nil {
			c.decide(nil, nil)
			continue
		}
		told = append(told, c.told)
	}
	if len(told) > 0 {
		by.Accepted(told)
	}
	clear(told[:cap(told)])
	rs.told = told[:0]
}

// unserved counts a notification that has reached a node which does not serve its shard. Its sender
// has gone on, so the transport asks for the owner.
func (rs *replies) unserved(r *wire.Reply) {
	t := rs.t
	t.missed.add(1, sparse.Shard(r.Shard), "error", r.Err)
	route := t.owners.Get(r.Shard)
	if route != nil && route.To.Name == r.Owner.Node && route.Epoch == r.Owner.Epoch {
		return // it was sent before the refusal of another was heard, which said the same
	}
	news := route != nil && route.Doubted()
	if route != nil { // without a route the notification was never sent
		t.owners.Learn(r.Shard, r.Owner, true)
	}
	if route == t.owners.Get(r.Shard) {
		t.owners.Open(news)
	}
}

// unheard counts notifications that reached no node, and asks for the owners of their shards. Their
// senders have gone on, so no caller asks.
func (rs *replies) unheard(n int, subject string) {
	t := rs.t
	t.missed.add(n, "subject", subject, "error", outcome.ErrTransportNoShardSubscriber)
	box := t.owners.at(subject)
	t.owners.Open(box != nil && box.Gone.CompareAndSwap(false, true))
}
