// What the connection reports: lost messages, refused permissions

package link

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// reports is what the connection says of messages and refusals that nats.go can tell no caller.
type reports struct {
	l        *Link
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
	l, log := r.l, r.l.opts.Log
	_, network := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		l.opts.User.Refused(err, alone)
		l.hearing.deny(err.Error(), err)
		if _, subject, ok := strings.Cut(err.Error(), "Subscription to "); ok { // a peer may cause any number of other refusals
			l.ears.deny(subject, err)
		}
		r.note(err)
	case errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		log.Error("the server refuses subscriptions", "error", err)
		r.mu.Lock()
		r.exceeded++
		r.mu.Unlock()
		r.note(err)
	case network && sub == nil:
		log.Warn("NATS connection: the data that waited to be written is lost", "error", err)
	case !l.own() && !l.has(sub):
		// Another user of the connection is told.
	case errors.Is(err, nats.ErrSlowConsumer) && sub != nil:
		dropped, _ := sub.Dropped()
		log.Error("messages were dropped: they arrived faster than one processor takes them", "subject", sub.Subject, "dropped", dropped)
	default:
		log.Warn("NATS reports an error", "error", err)
	}
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
		last := r.l.Conn().LastError()
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
