// The goroutine of a line of the window, which sends again what was refused, in order, and what follows a line

package cluster

import (
	"context"
	"slices"

	"github.com/clstr-go/clstr/internal/turn"
)

// address is a key, or a shard.
type address struct {
	kind, key string
	shard     uint32 // of messages without a key
}

func (t target) address() address {
	if t.byKey {
		return address{kind: t.kind, key: t.key}
	}
	return address{kind: t.kind, shard: t.shard}
}

// goOn starts the goroutine of a line, which sends n first if it is not nil.
func (w *window) goOn(to address, l *line, n *note) {
	go w.run(to, l, n) // ends when the line is empty, or only posted notes are left; each has an end, until
}

func (w *window) run(to address, l *line, n *note) {
	over := false
	defer func() {
		if !over { // the metrics or an Intercept have ended the goroutine: another one goes on
			w.goOn(to, l, nil)
		}
	}()
	for {
		if n == nil {
			if n = w.first(to, l); n == nil {
				over = true
				return
			}
		}
		n.send()
		n = nil
		for again := true; ; again = false {
			post, goOn := w.sent(l, again)
			if len(post) == 0 {
				if !goOn {
					over = true
					return
				}
				break
			}
			w.repost(post)
		}
	}
}

// repost posts notes one behind the other. If the metrics end the goroutine, those that are left go into the queue again.
func (w *window) repost(post []*note) {
	ctx, cancel := context.WithDeadline(context.Background(), post[len(post)-1].until)
	defer cancel()
	defer func() {
		for _, p := range post {
			w.told(p, false, true)
		}
	}()
	for len(post) > 0 {
		p := post[0]
		post = post[1:]
		p.repost(ctx)
	}
}

// first takes the first note out of a line's queue, for the line's goroutine. If there is none, it drops the line, unless
// posted notes are left. It returns nil then, and the goroutine ends.
func (w *window) first(to address, l *line) (n *note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.out > 0 { // as sent: an earlier goroutine was ended while it posted
		l.runs, l.held = false, len(l.queue) > 0
		return nil
	}
	l.before = 0
	if len(l.queue) > 0 {
		n, l.queue = l.queue[0], l.queue[1:]
		return n
	}
	w.drop(to, l)
	return nil
}

// sent is called when the first note of the queue is over. It returns the next notes of the queue that may be posted, one
// behind the other. When the goroutine has posted them, it calls sent anew, with again false: notes that were refused
// meanwhile are not posted once more, because the first of them must go by itself, with pauses. If no note may be
// posted, goOn says whether the goroutine goes on with the first of the queue, or ends.
func (w *window) sent(l *line, again bool) (post []*note, goOn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	back := l.out == 0 // all that were posted have come back
	if back {
		l.before = 0
	}
	for w.behind && len(l.queue) > 0 && l.lets() && l.queue[0].mayBePosted() && (back && again || l.queue[0].number == 0) {
		post = append(post, l.queue[0])
		w.toPost(l.queue[0])
		l.queue = l.queue[1:]
	}
	switch {
	case len(post) > 0 || l.out == 0:
		return post, true
	case len(l.queue) == 0:
		l.held = false
	}
	l.runs = false // told starts another one when the last has come back
	return nil, false
}

// shrink is called when the key of a line has refused a notification as overloaded.
func (w *window) shrink(l *line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.shrink()
}

// stood is called when a notification is about to wait for room at its key.
func (w *window) stood(l *line) {
	w.mu.Lock()
	ofTurns := l.stood(w)
	w.mu.Unlock()
	refuse(ofTurns)
}

// waits is called before a pause, after which a message of the line is sent again.
func (w *window) waits(l *line, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.refused(err)
}

// expire ends the note of a receipt, whose TTL is over, if it still stands in the queue.
func (w *window) expire(to address, place uint64, r *Receipt) {
	w.mu.Lock()
	var n *note
	var err error
	if l := w.lines[to]; l != nil {
		if at, ok := slices.BinarySearchFunc(l.queue, place, (*note).compare); ok && l.queue[at].receipt == r { // not one of a later line
			n = l.queue[at]
			copy(l.queue[1:], l.queue[:at]) // mostly few stand before it, and very many may stand behind it
			l.queue = l.queue[1:]
			err = l.whyLate(n, errStood())
			w.free(n)
		}
	}
	w.mu.Unlock()
	if n != nil {
		n.end(err)
	}
}

// because adds to the error of a sender that has given up waiting why the line of its key has to wait.
func (w *window) because(e *Error, to address) *Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lines[to]
	if l == nil {
		return e
	}
	why := l.reason()
	if why == nil {
		return e
	}
	e = e.WithCause(why)
	e.Message += ": " + why.Error()
	return e
}

// has reports whether notifications to a key are in the window.
func (w *window) has(to *target) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines[to.address()] != nil
}

// follow waits until all notifications to a key that are in the window now have been accepted or have
// failed, so that a call of the same caller comes after them. A turn does not wait while they wait for room at the key.
func (w *window) follow(ctx context.Context, to *target) error {
	hasty := w.isHasty(turn.Inside(ctx))
	w.mu.Lock()
	l := w.lines[to.address()]
	if l == nil {
		w.mu.Unlock()
		return nil
	}
	if hasty && l.stands() {
		w.mu.Unlock()
		return errFull(NotSent)
	}
	last := l.last
	var standing <-chan struct{}
	if hasty {
		if l.standing == nil {
			l.standing = make(chan struct{})
		}
		standing = l.standing
	}
	w.mu.Unlock()
	for last = last.open(); last != nil; last = last.open() { // one that has failed may be over before an earlier one
		if err := last.awaits(ctx, standing, NotSent); err != nil {
			return err
		}
	}
	return nil
}
