// What the connection reports: lost messages, refused permissions

package natstransport

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"
)

// reports is what the connection says of messages and refusals that nats.go can tell no caller.
type reports struct {
	t        *Transport
	handling atomic.Int64 // odd while a handler of the connection's runs; grows

	mu       sync.Mutex
	heard    error         // the last refusal of the server's that was heard
	news     chan struct{} // closed with the next
	exceeded int           // refusals of subscriptions that are too many
	calm     bool          // none came when one was waited for
}

// Report implements [natsdial.Listener].
func (r *reports) Report(sub *nats.Subscription, err error, alone bool) (done func()) {
	r.handling.Add(1)
	r.take(sub, err, alone)
	return func() { r.handling.Add(1) }
}

// take takes an error; alone says whether no other transport
// uses the connection.
func (r *reports) take(sub *nats.Subscription, err error, alone bool) {
	t := r.t
	_, network := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		r.denied(err, alone)
	case errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		t.log.Error("the server refuses subscriptions", "error", err)
		r.mu.Lock()
		r.exceeded++
		r.mu.Unlock()
		r.note(err)
	case network && sub == nil:
		t.log.Warn("NATS connection: the data that waited to be written is lost", "error", err)
	case t.opts.Conn != nil && !t.ears.has(sub):
		// Another user of the connection is told.
	case errors.Is(err, nats.ErrSlowConsumer) && sub != nil:
		dropped, _ := sub.Dropped()
		t.log.Error("messages were dropped: they arrived faster than one processor takes them", "subject", sub.Subject, "dropped", dropped)
	default:
		t.log.Warn("NATS reports an error", "error", err)
	}
}

// denied takes the server's refusal of a publication or subscription.
func (r *reports) denied(err error, alone bool) {
	t := r.t
	text := err.Error()
	if strings.Contains(text, strconv.Quote(t.ears.inbox.subject)) || strings.Contains(text, `"`+t.opts.Prefix+".n.") ||
		strings.Contains(text, `"`+t.inboxPrefix) || t.opts.Conn == nil {
		t.log.Error("not permitted by the server", "error", err)
	}
	_, published, ok := strings.Cut(text, `Publish to "`)
	if ok && !strings.HasPrefix(published, t.opts.Prefix+".") {
		t.packets.refused.Add(1) // what is not sent below the prefix is a reply
	}
	if box := t.owners.boxAt(published); box != nil {
		e := outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
		// The server does not say which message it means. If it has refused every message, none has
		// arrived. Otherwise one may have, and its call may run.
		if box.refused.Add(1) != box.sent.Load() || !alone {
			e = e.WithOutcome(outcome.MaybeRan)
		}
		decideAll(t.calls.takeIf(func(c *call) bool { return c.to.to == box }), func(*call) *outcome.Error { return e })
	}
	r.forbidden(text, err)
	if _, subject, ok := strings.Cut(text, "Subscription to "); ok { // a peer may cause any number of other refusals
		t.ears.deny(subject, err)
	}
	r.note(err)
}

// note notes that the server has refused something.
func (r *reports) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard, r.calm = err, false
	close(r.news)
	r.news = make(chan struct{})
}

// begin is called when a connection becomes the present one: what was reported before concerns others.
func (r *reports) begin(nc *nats.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = nc.LastError()
}

// all returns when the transport has heard every refusal that the server had reported before
// its last answer, because nats.go calls its handlers later. The error about too many
// subscriptions is always the same. So all waits a moment for a second one, and a shorter
// moment if it has waited in vain the last time, because there may be room again.
func (r *reports) all(ctx context.Context) {
	var moment <-chan time.Time
	handling := r.handling.Load()
	for {
		r.mu.Lock()
		heard, news, wait := r.heard, r.news, aMoment
		if r.calm {
			wait = aMoment / 50
		}
		r.mu.Unlock()
		last := r.t.nc.Load().LastError()
		again := last == heard && errors.Is(last, nats.ErrMaxSubscriptionsExceeded)
		switch {
		case again && moment == nil:
			timer := time.NewTimer(wait)
			defer timer.Stop()
			moment = timer.C
		case again:
			return
		case last == heard, !errors.Is(last, nats.ErrPermissionViolation) && !errors.Is(last, nats.ErrMaxSubscriptionsExceeded):
			return
		}
		select {
		case <-news:
		case <-moment:
			if now := r.handling.Load(); now%2 == 1 || now != handling { // others wait behind the handler that runs
				handling, moment = now, nil
				continue
			}
			r.mu.Lock()
			r.calm = true
			r.mu.Unlock()
			return
		case <-ctx.Done():
			return
		}
	}
}

const aMoment = 50 * time.Millisecond

// refusals counts the subscriptions that the server has refused because they are too
// many. The server does not say which. So a subscription that was made while the number grew counts
// as refused.
func (r *reports) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exceeded
}

// forbidden is called if the server does not permit a part of this, and logs what follows. A
// connection that may not ask knows at once that no node will answer.
func (r *reports) forbidden(text string, err error) {
	t := r.t
	t.hearing.deny(text, err)
	switch who, own := `"`+t.opts.Prefix+`.who"`, `"`+t.opts.Prefix+`.own"`; {
	case strings.Contains(text, "Publish to "+who):
		t.log.Error("not permitted to ask for the owners of shards: no node can be reached", "error", err)
		t.asker.state.CompareAndSwap(unasked, fixed)
		t.owners.mu.Lock()
		t.asker.barred, t.asker.denied = expiry.Now()+int64(deniedPause), err
		t.owners.mu.Unlock()
		t.asker.settle(nil, 0)
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
