// What becomes of calls when the connection changes, and what the server's refusals mean

package natstransport

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"
)

// user hears what happens to the connection.
type user struct{ t *Transport }

var _ link.User = user{}

// Lost implements [link.User].
func (u user) Lost(s nats.Status) {
	u.t.calls.lose(outcome.Errorf(outcome.ErrConnectionLost, "status %v", s))
}

// Broken implements [link.User]: the nodes on this transport end with an error.
func (u user) Broken(err *outcome.Error) {
	told := map[*dispatch.Lifetime]bool{}
	for _, s := range u.t.table.All() {
		if s.Life != nil && !told[s.Life] {
			told[s.Life] = true
			s.Life.Report(err)
		}
	}
}

// Hold implements [link.User]. It asks each node to which something was sent. A node answers in order, so what was sent
// before has arrived then.
func (u user) Hold(ctx context.Context) (release func()) {
	t := u.t
	boxes := t.owners.halt()
	release = func() { t.owners.resume(boxes) }
	sent := make(chan struct{})
	t.flusher.Go(pool.Func(func() { close(sent) })) // behind what it publishes now
	select {
	case <-sent:
	case <-ctx.Done():
		return release
	}
	arrived, asked := make(arrivals, len(boxes)), 0
	for _, b := range boxes {
		if b.sent.Load() == 0 {
			continue
		}
		asked++
		env := transport.Envelope{Type: aliveAt}
		c, buf := &call{t: t, to: &route{To: b}, told: arrived}, wire.AppendNumbered(nil, &env, 0, 0, 0)
		b.publish(&batch{buf: buf, items: 1, calls: []*call{c}, spans: []span{{0, len(buf)}}}) // Close may take it out
	}
	for range asked {
		select {
		case <-arrived:
		case <-ctx.Done():
			return release
		}
	}
	return release
}

// arrivals hears of each node that has answered, or has gone.
type arrivals chan struct{}

// Told implements [dispatch.Told].
func (a arrivals) Told(error) { a <- struct{}{} }

// Refused implements [link.User]: it logs what follows. An end that may not ask knows at once that no node will answer.
func (u user) Refused(err error, alone bool) {
	t := u.t
	text := err.Error()
	if strings.Contains(text, `"`+t.opts.Prefix+".n.") || strings.Contains(text, `"`+t.link.InboxPrefix) || t.opts.Conn == nil {
		t.log.Error("not permitted by the server", "error", err)
	}
	_, published, ok := strings.Cut(text, `Publish to "`)
	if ok && !strings.HasPrefix(published, t.opts.Prefix+".") {
		t.packets.refused.Add(1) // what is not sent below the prefix is a reply
	}
	if box := t.owners.at(published); box != nil {
		e := outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
		// The server does not say which message it means. If it has refused every message, none has
		// arrived. Otherwise one may have, and its call may run.
		if box.refused.Add(1) != box.sent.Load() || !alone {
			e = e.WithOutcome(outcome.MaybeRan)
		}
		decideAll(t.calls.takeIf(func(c *call) bool { return c.to.To == box }), func(*call) *outcome.Error { return e })
	}
	switch who, own := `"`+t.opts.Prefix+`.who"`, `"`+t.opts.Prefix+`.own"`; {
	case strings.Contains(text, "Publish to "+who):
		t.log.Error("not permitted to ask for the owners of shards: no node can be reached", "error", err)
		t.owners.Deny(err)
	case strings.Contains(text, "Subscription to "+own):
		t.log.Error("not permitted to hear of new owners: a new owner is found when the old one refuses", "error", err)
	case strings.Contains(text, "Publish to ") && strings.Contains(text, turnsToken+`"`):
		t.turns.deny(err) // the dispatcher says what that means
	case strings.Contains(text, "Subscription to ") && strings.Contains(text, turnsToken+`"`):
		t.log.Error("not permitted to hear what other nodes ask about turns: chains of requests that cross wait until their deadlines", "error", err)
	case strings.Contains(text, "Publish to "+own):
		t.log.Warn("not permitted to announce new owners: clients find a new owner when the old one refuses", "error", err)
	}
}
