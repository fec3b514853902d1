// Ears: the subjects that this end hears, all in one table

package link

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/outcome"
)

// ears are the subjects that an end may hear.
type ears struct {
	l    *Link
	turn chan struct{} // cap 1: held while ears are opened or shut
	all  []*Ear

	mu    sync.Mutex
	next  *nats.Conn // to which the end is about to move
	again again
}

// Ear is one subject. While the end moves, it hears the subject over two connections.
type Ear struct {
	Subject, Queue string
	Take           func(*nats.Msg) // the reader calls it
	Hello          func() error    // publishes something behind the subscription; may be nil
	Optional       bool            // the end goes on without the right
	Once           bool            // what comes over two connections is taken once, in order

	old  atomic.Pointer[nats.Subscription] // over the connection that goes; nil unless the end moves
	left *nats.Subscription                // over a connection that went; the reader's

	// Guarded by ears.mu.
	sub     *nats.Subscription // over the newest connection; nil if the end does not hear the subject
	taken   bool               // the server has taken it
	refused *outcome.Error     // why the server sends nothing
}

// of returns the ear of a message. Only the reader calls it.
func (es *ears) of(sub *nats.Subscription) *Ear {
	for _, e := range es.all {
		if sub.Subject == e.Subject && sub.Queue == e.Queue { // whichever subscription it came by
			return e
		}
	}
	return nil
}

// Open returns when the server has taken all of the ears. If the server refuses one, the end does not hear those that are
// new.
func (es *ears) Open(ctx context.Context, wanted ...*Ear) error {
	switch open, err := es.opened(wanted); {
	case err != nil:
		return err
	case open && es.l.Up():
		return nil
	case open:
		return es.l.Flush(ctx) // it waits for the connection
	}
	select {
	case es.turn <- struct{}{}:
		defer func() { <-es.turn }()
	case <-ctx.Done():
		return outcome.ContextError(ctx.Err(), outcome.NotSent)
	}
	if open, _ := es.opened(wanted); open {
		return nil
	}
	before := es.l.reports.refusals()
	err := es.Hear(wanted...)
	if err == nil {
		err = es.l.Flush(ctx)
	}
	if err == nil && es.l.reports.refusals() != before {
		err = outcome.Errorf(outcome.ErrNotPermitted, "%v", nats.ErrMaxSubscriptionsExceeded)
	}
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range wanted {
		if err == nil && e.refused != nil && !e.Optional {
			err = e.refused
		}
	}
	for _, e := range wanted {
		if err == nil {
			e.taken = e.refused == nil
		} else if !e.taken {
			e.stop()
		}
	}
	return err
}

// opened reports whether the server has taken all of the ears. It returns an error if the server refuses one since.
func (es *ears) opened(wanted []*Ear) (all bool, err error) {
	es.mu.Lock()
	defer es.mu.Unlock()
	all = true
	for _, e := range wanted {
		if all = all && (e.taken || e.Optional && e.sub != nil); e.taken && e.refused != nil && !e.Optional {
			err = e.refused
		}
	}
	return all, err
}

// Hears reports whether the end hears a subject, or has asked the server for that.
func (es *ears) Hears(e *Ear) bool {
	es.mu.Lock()
	defer es.mu.Unlock()
	return e.sub != nil
}

// Refused returns why the server sends nothing of an ear that it had taken; nil if it does, or never took it.
func (es *ears) Refused(e *Ear) error {
	_, err := es.opened([]*Ear{e})
	return err
}

// Hear subscribes, and does not wait for the server.
func (es *ears) Hear(wanted ...*Ear) error {
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range wanted {
		if e.sub != nil {
			continue
		}
		if es.l.Closed() {
			return outcome.Errorf(outcome.ErrTransportClosed, "%s", e.Subject)
		}
		var err error
		if e.sub, err = es.over(e, es.l.Conn()); err == nil && es.next != nil && es.next != es.l.Conn() {
			err = es.also(e, es.next)
		}
		if err == nil && e.Hello != nil {
			err = e.Hello()
		}
		if err != nil {
			e.stop()
			return NotSent(err)
		}
	}
	return nil
}

// trust hears a subject as if the server had taken it.
func (es *ears) trust(e *Ear) error {
	err := es.Hear(e)
	es.mu.Lock()
	defer es.mu.Unlock()
	e.taken = err == nil
	return err
}

func (es *ears) over(e *Ear, nc *nats.Conn) (*nats.Subscription, error) {
	sub, err := nc.ChanQueueSubscribe(e.Subject, e.Queue, es.l.In) // an empty queue is none
	if err == nil {
		es.l.drops.count(sub)
	}
	return sub, err
}

// also hears over a second connection. It is called with mu held.
func (es *ears) also(e *Ear, nc *nats.Conn) error {
	e.old.Store(e.sub) // before anything comes over the second
	sub, err := es.over(e, nc)
	if err != nil {
		e.old.Store(nil)
		return err
	}
	e.sub = sub
	return nil
}

// allAlso has everything that is heard come over a second connection too.
func (es *ears) allAlso(nc *nats.Conn) error {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.next = nc
	for _, e := range es.all {
		if e.sub != nil {
			if err := es.also(e, nc); err != nil {
				return err
			}
		}
	}
	return nil
}

// one hears over one of two connections again: the new one, or the old. Only the reader calls it.
func (es *ears) one(new bool) {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.next = nil
	for _, e := range es.all {
		gone := e.old.Swap(nil)
		if gone == nil {
			continue
		}
		if !new {
			gone, e.sub = e.sub, gone
		}
		e.left = gone
		_ = gone.Unsubscribe() // it fails if the connection has gone
	}
}

// stop ends an ear. What has come is still read. It is called with ears.mu held.
func (e *Ear) stop() {
	for _, sub := range []*nats.Subscription{e.sub, e.old.Swap(nil)} {
		if sub != nil {
			_ = sub.Unsubscribe() // it fails if the connection has gone
		}
	}
	e.sub, e.taken, e.refused = nil, false, nil
}

// stopAll ends all ears.
func (es *ears) stopAll() {
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range es.all {
		e.stop()
	}
}

// Shut ends ears, and returns when all has been handed on that the server has sent before. A drain that waits for the
// connection would subscribe again when it is back, and nothing would read what the server sends.
func (es *ears) Shut(ended ...*Ear) {
	es.turn <- struct{}{}
	defer func() { <-es.turn }()
	nc, drains := es.l.Conn(), false
	es.mu.Lock()
	for _, e := range ended {
		e.taken = false // it is not tried again
		drains = e.sub != nil && nc.IsConnected() && e.sub.Drain() == nil && nc.IsConnected() || drains
	}
	es.mu.Unlock()
	if drains && es.l.Flush(context.Background()) == nil {
		es.l.UpToHere()
	}
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range ended {
		e.stop()
	}
}

// has reports whether a subscription of a connection is one of this end's.
func (es *ears) has(sub *nats.Subscription) bool {
	es.mu.Lock()
	defer es.mu.Unlock()
	return sub != nil && slices.ContainsFunc(es.all, func(e *Ear) bool { return e.sub == sub || e.old.Load() == sub })
}

// deny notes that the server refuses a subject. text begins with the quoted subject.
func (es *ears) deny(text string, err error) {
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range es.all {
		if e.sub == nil || !strings.HasPrefix(text, strconv.Quote(e.Subject)) {
			continue
		}
		e.refused = outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
		if e.taken {
			es.again.begin()
		}
	}
}
