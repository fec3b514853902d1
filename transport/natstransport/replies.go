// What comes to the inbox, and where replies may go

package natstransport

import (
	"strings"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
)

// replies takes a message to the inbox.
func (t *Transport) replies(m *nats.Msg) {
	switch {
	case m.Subject == t.who:
		t.asker.answer(m)
		return
	case strings.HasSuffix(m.Subject, selfToken): // it has come
		return
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		unacked := t.fail(m.Subject, func(c *call) *outcome.Error {
			c.to.to.gone.Store(true)
			return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", c.to.shard)
		})
		if unacked > 0 {
			t.unheard(unacked, m.Header.Get("Nats-Subject"))
		}
		return
	}
	if err := t.decoder.Decode(m.Data, &t.packet); err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("reply does not decode: its call may have run", "error", err)
		t.fail(m.Subject, func(c *call) *outcome.Error {
			return outcome.Errorf(outcome.ErrReply, "shard %d: %v", c.to.shard, err).WithOutcome(outcome.MaybeRan)
		})
		return
	}
	t.left = t.packet.Replies
	takeReplies(t)
}

// takeReplies takes the replies that are left. If the application's metrics end the reader's goroutine, the next reader
// goes on with those that follow.
func takeReplies(t *Transport) {
	tellAccepted(t)
	for len(t.left) > 0 {
		r := &t.left[0]
		t.left = t.left[1:]
		if r.Further > 0 {
			t.acks = t.calls.takeRun(r.ID, int(r.Further)+1, t.acks[:0])
			t.run = t.acks
			tellAccepted(t)
			continue
		}
		c := t.calls.take(r.ID)
		switch {
		case c != nil:
			c.heard()
			c.to.follow(r.Owner)
			c.sent = r.Err != nil
			c.decide(r.Data, r.Err)
		case r.Unawaited:
			t.unserved(r)
		}
	}
}

// tellAccepted ends the calls of a run that are left: notifications that a node has accepted.
func tellAccepted(t *Transport) {
	told, by := t.told[:0], dispatch.Gatherer(nil)
	for len(t.run) > 0 {
		c := t.run[0]
		var its dispatch.Gatherer
		if g, ok := c.told.(dispatch.Gathered); ok {
			its = g.By()
		}
		if its != by && len(told) > 0 {
			all := told
			told = told[:0]
			by.Accepted(all)
		}
		t.run[0], t.run = nil, t.run[1:]
		c.heard()
		if by = its; by == nil {
			c.decide(nil, nil)
			continue
		}
		t.clock.Remove(&c.node)
		told = append(told, c.told)
	}
	if len(told) > 0 {
		by.Accepted(told)
	}
	clear(told[:cap(told)])
	t.told = told[:0]
}

// unserved counts a notification that has reached a node which does not serve its shard. Its sender
// has gone on, so the transport asks for the owner.
func (t *Transport) unserved(r *wire.Reply) {
	t.missed.add(1, sparse.Shard(r.Shard), "error", r.Err)
	route := t.owners.routes.Get(r.Shard)
	if route != nil && route.to.node == r.Owner.Node && route.epoch == r.Owner.Epoch {
		return // it was sent before the refusal of another was heard, which said the same
	}
	news := route != nil && route.doubted()
	if r.Owner.Node != "" {
		t.owners.learn(r.Shard, r.Owner, true)
	}
	if route == t.owners.routes.Get(r.Shard) {
		t.asker.open(news)
	}
}

// unheard counts notifications that reached no node, and asks for the owners of their shards. Their
// senders have gone on, so no caller asks.
func (t *Transport) unheard(n int, subject string) {
	t.missed.add(n, "subject", subject, "error", outcome.ErrTransportNoShardSubscriber)
	box := t.owners.boxAt(subject)
	t.asker.open(box != nil && box.gone.CompareAndSwap(false, true))
}

// fail decides the calls that a reply subject names, and returns how many
// notifications without an acknowledgement it names beside them.
func (t *Transport) fail(subject string, why func(*call) *outcome.Error) (unacked int) {
	to := parseReplySubject(subject)
	decideAll(t.calls.takeRun(to.first, to.n, nil), why)
	return to.unacked
}

// lose decides every call that is on its way.
func (t *Transport) lose(why *outcome.Error) {
	decideAll(t.calls.takeIf(func(*call) bool { return true }), func(*call) *outcome.Error { return why })
}

const (
	// maxReplySubject is how long a reply subject may be: each call holds its own.
	maxReplySubject = 256
	// maxInboxPrefix is what that leaves for the prefix of a connection's inboxes: behind
	// it come 22 characters, a dot, an id and two numbers.
	maxInboxPrefix = maxReplySubject - 22 - 1 - 13 - 2*4
)

// isInbox reports whether a reply may be sent to the subject. The server would refuse text that is
// not a subject, with a line of the log for each reply.
func (t *Transport) isInbox(reply string) bool {
	if len(reply) > maxReplySubject || !strings.HasPrefix(reply, nats.InboxPrefix) && !strings.HasPrefix(reply, t.inboxPrefix) {
		return false
	}
	for token := range strings.SplitSeq(reply, ".") {
		if token == "" || token == "*" || token == ">" || strings.ContainsAny(token, " \t\r\n") {
			return false
		}
	}
	return true
}
