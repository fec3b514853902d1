// Subscriptions that the server took and refuses later: they are tried again

package natstransport

import (
	"context"
	"maps"
	"strings"
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
	t     *Transport
	node  expiry.Node
	first time.Duration // againFirst, but in tests

	// Guarded by t.mu.
	lost  map[string]*outcome.Error // by the subject: why the server sends nothing there any more
	pause time.Duration             // before the next try; 0 while nothing is lost
}

// deny notes that the server refuses a subject. text begins with the quoted subject. It is called with mu held.
func (a *again) deny(text string, err error) {
	t := a.t
	for _, s := range []struct {
		ear   *ear
		taken bool
	}{{t.door.node, t.door.open.Load()}, {t.door.who, t.door.fixed.Load()}, {t.inboxEar, t.ready}} {
		if s.taken {
			a.lose(s.ear.subject, text, err)
		}
	}
	for e, s := range t.asked {
		if s.taken {
			a.lose(e.subject, text, err)
		}
	}
}

// lose is called with mu held.
func (a *again) lose(subject, text string, err error) {
	if !strings.HasPrefix(text, `"`+subject+`"`) {
		return
	}
	a.lost[subject] = outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
	if a.pause == 0 {
		a.pause = a.first
		a.t.clock.Add(&a.node, a, expiry.Now()+int64(a.pause))
	}
}

// refused returns why the server sends nothing to a subject that this end is subscribed to; nil if it does. It is called
// with mu held.
func (a *again) refused(e *ear) error {
	if e != nil && a.lost[e.subject] != nil {
		return a.lost[e.subject]
	}
	return nil
}

// reconnected has all that is lost tried at once: another server may permit it.
func (a *again) reconnected() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	if a.pause != 0 {
		a.t.clock.Add(&a.node, a, expiry.Now())
	}
}

// Expire implements [expiry.Expirer].
func (a *again) Expire() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	switch {
	case a.t.closed.Load(): // Close may have waited already
	case a.t.moves.next != nil: // two connections: later
		a.t.clock.Add(&a.node, a, expiry.Now()+int64(a.first))
	default:
		a.t.running.Go(a.try) // ends with a round trip to the server, or its time limit
	}
}

// try subscribes what is lost, and waits for what the server says.
func (a *again) try() {
	t := a.t
	t.mu.Lock()
	tried := maps.Clone(a.lost)
	for subject := range tried {
		if t.up.Load() && !t.resubscribe(subject) { // it has ended meanwhile
			delete(a.lost, subject)
			delete(tried, subject)
		}
	}
	t.mu.Unlock()
	answered := t.up.Load() && t.flush(context.Background()) == nil
	t.mu.Lock()
	defer t.mu.Unlock()
	for subject, err := range tried {
		if answered && a.lost[subject] == err { // no further refusal has come
			delete(a.lost, subject)
			t.log.Info("the server permits the subscription again", "subject", subject)
		}
	}
	if a.pause = min(2*a.pause, againMost); len(a.lost) == 0 {
		a.pause = 0
	} else if !t.closed.Load() {
		t.clock.Add(&a.node, a, expiry.Now()+int64(a.pause))
	}
}

// resubscribe subscribes to a subject anew. nats.go may have done so too, on a new connection: so the subscription of
// before ends first, and no message comes twice. What has come by it is still handed on. resubscribe returns false if
// this end is not subscribed to the subject any more. It is called with mu held.
func (t *Transport) resubscribe(subject string) (found bool) {
	if t.closed.Load() {
		return false
	}
	for _, e := range []*ear{t.door.node, t.door.who, t.inboxEar} {
		if e != nil && e.subject == subject {
			e.renew()
			found = true
		}
	}
	for e, s := range t.asked {
		if e.subject == subject && s.taken {
			e.renew()
			found = true
		}
	}
	return found
}
