// Why a line has had to wait, as receipts and errors say it

package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// refused notes why the line has to wait: the newest refusal of a notification that is sent again.
func (l *line) refused(err error) {
	if err != nil && outcome.Of(err).NeverRan() && !errors.Is(outer(err), ErrOutOfOrder) {
		l.why = err
	}
}

// reason returns why what stands in the line has to wait; nil if no refusal is known.
func (l *line) reason() error {
	if l.why == nil && l.most > 0 {
		return outcome.Errorf(ErrOverloaded, "the key had no room in time")
	}
	return l.why
}

// tells returns what the receipt says of err: why the line had to wait, if the note's time was up before it ran; otherwise err, as Notify
// does.
func (l *line) tells(n *note, err error) error {
	if err == nil {
		return nil
	}
	err = ended(context.Background(), err, n.ttl.IsZero() && n.env.ID == "")
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.Outcome.NeverRan() || e.Sentinel() != context.DeadlineExceeded && e.Sentinel() != ErrEnvelopeExpired {
		return err
	}
	w := &n.c.window
	w.mu.Lock()
	defer w.mu.Unlock()
	return l.whyLate(n, e)
}

// whyLate is tells for a note whose time was up before it ran. It is called with the window's mu held.
func (l *line) whyLate(n *note, e *Error) error {
	if n.refusal != nil {
		e = e.WithOutcome(worse(e.Outcome, outcome.Of(n.refusal)))
	}
	if why := l.reason(); why != nil {
		return withOutcome(why, e.Outcome)
	}
	return e
}

// waited is told if a context has ended while its sender waited for something.
func waited(ended error, what string) *Error {
	e := outcome.ContextError(ended, NotSent)
	e.Message += ": it waited " + what
	return e
}

// errStood is told if a TTL has ended in a line.
func errStood() *Error {
	return outcome.Errorf(ErrEnvelopeExpired, "it stood in line behind others to its key").WithOutcome(NotSent)
}

// watch has a note end with its TTL while it stands in the queue: the notes before it may have more time. It is called with the
// window's mu held.
func (l *line) watch(n *note) {
	switch {
	case n.ttl.IsZero() || n.until.Before(n.ttl):
	case n.watcher == nil:
		w, to, place, r := &n.c.window, n.to, n.place, n.receipt
		n.watcher = time.AfterFunc(time.Until(n.ttl), func() { w.expire(to, place, r) })
	default:
		n.watcher.Reset(time.Until(n.ttl))
	}
}
