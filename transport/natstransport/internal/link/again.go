// Subscriptions that the server took and refuses later: they are tried again

package link

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"
)

// The pause before the next try of a refused subscription. It doubles each time.
const (
	againFirst = time.Second
	againMost  = 15 * time.Second
)

// again subscribes anew when a right that this end had was taken away: to hear requests, questions for owners, or
// replies. An administrator may give the right back, and the server says nothing then. A subscription that the
// server has refused from the start is not tried again: the code that has asked for it is told.
type again struct {
	es    *ears
	node  expiry.Node
	pause time.Duration // before the next try; 0 while nothing is lost
} // guarded by ears.mu

// begin is called when a right was taken away, with ears.mu held.
func (a *again) begin() {
	if a.pause == 0 {
		a.pause = a.first()
		a.in(a.pause)
	}
}

func (a *again) first() time.Duration { return time.Duration(a.es.l.Times.Again.Load()) }

func (a *again) in(d time.Duration) { a.es.l.opts.Clock.Add(&a.node, a, expiry.Now()+int64(d)) }

// reconnected has all that is lost tried at once: another server may permit it.
func (a *again) reconnected() {
	a.es.mu.Lock()
	defer a.es.mu.Unlock()
	if a.pause != 0 {
		a.in(0)
	}
}

// Expire implements [expiry.Expirer].
func (a *again) Expire() {
	a.es.mu.Lock()
	defer a.es.mu.Unlock()
	if a.es.next != nil { // two connections: later
		a.in(a.first())
		return
	}
	a.es.l.start(a.es.TryAgain) // ends with a round trip to the server, or its time limit
}

// TryAgain subscribes what is lost, and waits for what the server says. nats.go may have subscribed it too, on a new
// connection: so the subscription of before ends first, and no message comes twice. What has come by it is still handed on.
func (es *ears) TryAgain() {
	a, l := &es.again, es.l
	tried := map[*Ear]*outcome.Error{}
	es.mu.Lock()
	if es.next != nil { // a move has begun since Expire has looked
		a.in(a.first())
		es.mu.Unlock()
		return
	}
	for _, e := range es.all {
		if !e.taken || e.refused == nil || !l.Up() || l.Closed() {
			continue
		}
		tried[e] = e.refused
		_ = e.sub.Drain()
		if sub, err := es.over(e, l.Conn()); err == nil { // else the connection is closed
			e.sub = sub
		}
	}
	es.mu.Unlock()
	answered := l.Up() && l.Flush(context.Background()) == nil
	es.mu.Lock()
	defer es.mu.Unlock()
	lost := false
	for _, e := range es.all {
		if before := tried[e]; answered && before != nil && e.refused == before { // no further refusal has come
			e.refused = nil
			l.opts.Log.Info("the server permits the subscription again", "subject", e.Subject)
		}
		lost = lost || e.taken && e.refused != nil
	}
	if a.pause = min(2*a.pause, againMost); !lost {
		a.pause = 0
	} else if !l.Closed() {
		a.in(a.pause)
	}
}
