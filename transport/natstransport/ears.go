// Ears: the subjects that this end hears, all in one table

package natstransport

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
	t     *Transport
	turn  chan struct{} // cap 1: held while ears are opened or shut
	inbox ear           // replies, answers about owners, and what this end asks itself
	node  ear           // requests for all shards of this end
	list  ear           // questions for owners that the fixed list answers
	who   ear           // the same, for directories: one node of the cluster hears each
	own   ear           // announcements of owners
	turns ear           // questions about turns
	all   []*ear

	mu    sync.Mutex
	next  *nats.Conn // to which the end is about to move
	again again
}

// ear is one subject. While the end moves, it hears the subject over two connections.
type ear struct {
	subject, queue string
	take           func(*nats.Msg)                   // the reader calls it
	hello          func() error                      // publishes something behind the subscription; may be nil
	optional       bool                              // the end goes on without the right
	old            atomic.Pointer[nats.Subscription] // over the connection that goes; nil unless the end moves
	left           *nats.Subscription                // over a connection that went; the reader's

	// Guarded by ears.mu.
	sub     *nats.Subscription // over the newest connection; nil if the end does not hear the subject
	taken   bool               // the server has taken it
	refused *outcome.Error     // why the server sends nothing
}

func (es *ears) init(t *Transport) {
	es.t, es.turn = t, make(chan struct{}, 1)
	es.again = again{es: es, first: againFirst}
	es.turns.optional = true
	es.all = []*ear{&es.inbox, &es.node, &es.own, &es.list, &es.who, &es.turns}
}

// name says where the ears are, once there is a connection.
func (es *ears) name() {
	t := es.t
	set := func(e *ear, subject, queue string, take func(*nats.Msg)) {
		e.subject, e.queue, e.take = subject, queue, take
	}
	set(&es.inbox, t.inbox+".*", "", t.replies.take)
	set(&es.node, t.opts.Prefix+".n."+t.node+".*", "", t.server.come)
	set(&es.own, t.opts.Prefix+".own", "", t.asker.announced)
	set(&es.list, t.opts.Prefix+".who", "", t.directory.tell)
	set(&es.who, t.opts.Prefix+".who", "who", t.directory.tell)
	set(&es.turns, newInbox(t.nc.Load())+turnsToken, "", t.turns.tell)
	es.list.hello = t.door.introduce
}

// of returns the ear of a message. Only the reader calls it.
func (es *ears) of(sub *nats.Subscription) *ear {
	for _, e := range es.all {
		if sub.Subject == e.subject && sub.Queue == e.queue { // whichever subscription it came by
			return e
		}
	}
	return nil
}

// open returns when the server has taken all of the ears. If the server refuses one, the end does not hear those that are
// new
func (es *ears) open(ctx context.Context, wanted ...*ear) error {
	switch open, err := es.opened(wanted); {
	case err != nil:
		return err
	case open && es.t.up.Load():
		return nil
	case open:
		return es.t.flush(ctx) // it waits for the connection
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
	before := es.t.reports.refusals()
	err := es.hear(wanted...)
	if err == nil {
		err = es.t.flush(ctx)
	}
	if err == nil && es.t.reports.refusals() != before {
		err = outcome.Errorf(outcome.ErrNotPermitted, "%v", nats.ErrMaxSubscriptionsExceeded)
	}
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range wanted {
		if err == nil && e.refused != nil && !e.optional {
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
func (es *ears) opened(wanted []*ear) (all bool, err error) {
	es.mu.Lock()
	defer es.mu.Unlock()
	all = true
	for _, e := range wanted {
		if all = all && (e.taken || e.optional && e.sub != nil); e.taken && e.refused != nil && !e.optional {
			err = e.refused
		}
	}
	return all, err
}

// hear subscribes, and does not wait for the server.
func (es *ears) hear(wanted ...*ear) error {
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range wanted {
		if e.sub != nil {
			continue
		}
		if es.t.closed.Load() {
			return outcome.Errorf(outcome.ErrTransportClosed, "%s", e.subject)
		}
		var err error
		if e.sub, err = es.over(e, es.t.nc.Load()); err == nil && es.next != nil && es.next != es.t.nc.Load() {
			err = es.also(e, es.next)
		}
		if err == nil && e.hello != nil {
			err = e.hello()
		}
		if err != nil {
			e.stop()
			return notSent(err)
		}
	}
	return nil
}

// trust hears a subject as if the server had taken it.
func (es *ears) trust(e *ear) error {
	err := es.hear(e)
	es.mu.Lock()
	defer es.mu.Unlock()
	e.taken = err == nil
	return err
}

func (es *ears) over(e *ear, nc *nats.Conn) (*nats.Subscription, error) {
	sub, err := nc.ChanQueueSubscribe(e.subject, e.queue, es.t.reader.in) // an empty queue is none
	if err == nil {
		es.t.drops.count(sub)
	}
	return sub, err
}

// also hears over a second connection. It is called with mu held.
func (es *ears) also(e *ear, nc *nats.Conn) error {
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
func (e *ear) stop() {
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

// shut ends ears, and returns when all has been handed on that the server has sent before. A drain that waits for the
// connection would subscribe again when it is back, and nothing would read what the server sends.
func (es *ears) shut(ended ...*ear) {
	es.turn <- struct{}{}
	defer func() { <-es.turn }()
	nc, drains := es.t.nc.Load(), false
	es.mu.Lock()
	for _, e := range ended {
		e.taken = false // it is not tried again
		drains = e.sub != nil && nc.IsConnected() && e.sub.Drain() == nil && nc.IsConnected() || drains
	}
	es.mu.Unlock()
	if drains && es.t.flush(context.Background()) == nil {
		es.t.reader.upToHere()
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
	return sub != nil && slices.ContainsFunc(es.all, func(e *ear) bool { return e.sub == sub || e.old.Load() == sub })
}

// deny notes that the server refuses a subject. text begins with the quoted subject.
func (es *ears) deny(text string, err error) {
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range es.all {
		if e.sub == nil || !strings.HasPrefix(text, strconv.Quote(e.subject)) {
			continue
		}
		e.refused = outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
		if e.taken {
			es.again.begin()
		}
	}
}
