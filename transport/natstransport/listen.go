// What the connection reports: lost messages, refused permissions

package natstransport

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"
)

// hubs are the error handlers of the connections that transports use. A
// connection has one handler. But several transports may use the connection, and it may have come
// with a handler of its user.
var hubs = struct {
	sync.Mutex
	of map[*nats.Conn]*hub
}{of: map[*nats.Conn]*hub{}}

// hub tells transports, and the handler that was there before, what a connection
// reports. hubs.Mutex guards the list.
type hub struct {
	before     nats.ErrHandler
	transports []*Transport
}

// listen begins to hear what a connection reports, until unlisten.
func (t *Transport) listen(nc *nats.Conn) {
	hubs.Lock()
	h := hubs.of[nc]
	if h == nil {
		h = &hub{before: nc.ErrorHandler()}
		hubs.of[nc] = h
		nc.SetErrorHandler(h.handle)
	}
	h.transports = append(h.transports, t)
	hubs.Unlock()
}

func (t *Transport) unlisten(nc *nats.Conn) {
	hubs.Lock()
	defer hubs.Unlock()
	h := hubs.of[nc]
	h.transports = slices.DeleteFunc(h.transports, func(other *Transport) bool { return other == t })
	if len(h.transports) == 0 {
		nc.SetErrorHandler(h.before)
		delete(hubs.of, nc)
	}
}

func (h *hub) handle(nc *nats.Conn, sub *nats.Subscription, err error) {
	hubs.Lock()
	transports := slices.Clone(h.transports)
	hubs.Unlock()
	for _, t := range transports {
		t.handling.Add(1)
		defer t.handling.Add(1)
		t.asyncError(sub, err, len(transports) == 1)
	}
	if h.before != nil {
		h.before(nc, sub, err)
	}
}

// asyncError takes the errors that nats.go can tell no caller; alone says whether no other transport
// uses the connection.
func (t *Transport) asyncError(sub *nats.Subscription, err error, alone bool) {
	_, network := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		t.denied(err, alone)
	case errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		t.log.Error("the server refuses subscriptions", "error", err)
		t.mu.Lock()
		t.exceeded++
		t.noteRefusal(err)
		t.mu.Unlock()
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
func (t *Transport) denied(err error, alone bool) {
	text := err.Error()
	if strings.Contains(text, strconv.Quote(t.ears.inbox.subject)) || strings.Contains(text, `"`+t.opts.Prefix+".n.") ||
		strings.Contains(text, `"`+t.inboxPrefix) || t.opts.Conn == nil {
		t.log.Error("not permitted by the server", "error", err)
	}
	if _, subject, ok := strings.Cut(text, `Publish to "`); ok && !strings.HasPrefix(subject, t.opts.Prefix+".") {
		t.packets.refused.Add(1) // what is not sent below the prefix is a reply
	}
	if box := t.refusedBox(text); box != nil {
		e := outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
		// The server does not say which message it means. If it has refused every message, none has
		// arrived. Otherwise one may have, and its call may run.
		if box.refused.Add(1) != box.sent.Load() || !alone {
			e = e.WithOutcome(outcome.MaybeRan)
		}
		decideAll(t.calls.takeIf(func(c *call) bool { return c.to.to == box }), func(*call) *outcome.Error { return e })
	}
	t.forbidden(text, err)
	if _, subject, ok := strings.Cut(text, "Subscription to "); ok { // a peer may cause any number of other refusals
		t.ears.deny(subject, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noteRefusal(err)
}

// noteRefusal is called with mu held.
func (t *Transport) noteRefusal(err error) {
	t.heard, t.calm = err, false
	close(t.hears)
	t.hears = make(chan struct{})
}

// refusedBox returns the way to the node that a refusal to publish names, or nil.
func (t *Transport) refusedBox(text string) *nodeBox {
	_, subject, ok := strings.Cut(text, `Publish to "`)
	if !ok {
		return nil
	}
	return t.boxAt(subject)
}

// hearAll returns when the transport has heard every refusal that the server had reported before
// its last answer, because nats.go calls its handlers later. The error about too many
// subscriptions is always the same. So hearAll waits a moment for a second one, and a shorter
// moment if it has waited in vain the last time, because there may be room again.
func (t *Transport) hearAll(ctx context.Context) {
	var moment <-chan time.Time
	handling := t.handling.Load()
	for {
		t.mu.Lock()
		heard, hears, wait := t.heard, t.hears, aMoment
		if t.calm {
			wait = aMoment / 50
		}
		t.mu.Unlock()
		last := t.nc.Load().LastError()
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
		case <-hears:
		case <-moment:
			if now := t.handling.Load(); now%2 == 1 || now != handling { // others wait behind the handler that runs
				handling, moment = now, nil
				continue
			}
			t.mu.Lock()
			t.calm = true
			t.mu.Unlock()
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
func (t *Transport) refusals() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.exceeded
}
