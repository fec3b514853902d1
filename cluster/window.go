// The window of a client: notifications whose senders have gone on, in a line for each key

package cluster

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport"
)

// defaultWindow is how many notifications of a client may be on their way while their senders go on.
const defaultWindow = 4096

// windowBytes is how many bytes of messages they may have together. A single one may have more.
const windowBytes = 16 << 20

// window holds the notifications of a client whose senders have gone on. Senders wait while it is
// full.
type window struct {
	poster  dispatch.Poster // nil if the transport cannot send without waiting
	behind  bool            // several to one key can be on their way
	patient bool            // a turn waits for room at a key too: RetryOn has ErrOverloaded
	most    int             // negative is no limit
	open    atomic.Int64    // changes with mu held; other calls read it

	mu    sync.Mutex
	from  [sorts]seats
	lines map[address]*line
	spare []*line // to be used again
}

// line is the notifications to one key, in the order in which they came. The window's mu guards it.
//
// Notifications go out one behind the other, without waiting. The node accepts one only if it has
// accepted the one before it ([dispatch.Poster]), so after a refusal it refuses those behind it too. Then the line is
// held: new notifications go into the queue. When all that had gone out have come back, a goroutine sends the first of
// the queue, by itself, until it is accepted or has failed for good. Then the others follow as before, or in groups if the
// key had no room ([pace]).
type line struct {
	out    int      // posted, and still to be told
	last   *Receipt // of the one that has come last
	places uint64   // given so far
	before uint64   // number of the last that was posted; 0 if the next is to name none
	held   bool     // only the line's goroutine sends
	why    error    // the newest refusal of one that is sent again; nil if one was accepted since
	runs   bool     // that goroutine is there
	queue  []*note  // while it is held, in order
	pace
	askers
}

func (w *window) init(most int, poster dispatch.Poster) {
	w.most, w.poster, w.lines = cmp.Or(most, defaultWindow), poster, map[address]*line{}
	w.behind = poster != nil && poster.Number() != 0
}

// What becomes of a note that has entered.
type entry uint8

const (
	queued entry = iota // the line's goroutine sends it
	posts               // it is to be posted
	alone               // it is to be sent by itself, as the first of its line
)

// enter puts n at the end of its line, and says what is to be done with it. It waits for room until ctx ends.
func (w *window) enter(ctx context.Context, n *note) (entry, error) {
	for {
		n.until = time.Now().Add(DefaultRequestTimeout)
		room, t, err := w.tryEnter(n)
		if room == nil {
			return t, err
		}
		wait := dispatch.BeginWait(ctx)
		select {
		case <-room:
		case <-ctx.Done():
			err = w.because(waited(ctx.Err(), "for room in the client's window"), n.to)
		}
		wait.EndWait(ctx)
		if err != nil {
			return 0, err
		}
	}
}

// tryEnter is enter without waiting. If there is no room, it returns a channel that is closed when there is.
func (w *window) tryEnter(n *note) (room <-chan struct{}, e entry, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := &w.from[n.sort()]
	if w.most >= 0 && from.open >= w.most || from.open > 0 && from.bytes+len(n.m.data) > windowBytes {
		return from.wait(), 0, nil
	}
	l := w.lines[n.to]
	fresh := l == nil
	switch {
	case fresh:
		l = w.fresh()
		w.lines[n.to] = l
	case n.hasty && (l.stands() || !l.lets()):
		return nil, 0, errFull(NotSent)
	default:
		if room := l.full(n.sort(), w.most); room != nil {
			return room, 0, nil
		}
	}
	w.open.Add(1)
	from.enter(n)
	l.from[n.sort()].enter(n)
	n.receipt.before, l.last, n.line = l.last, n.receipt, l
	l.places++
	n.place = l.places
	if !n.hasty && n.env.Delivery == transport.AwaitAccept {
		n.m.line = l
	}
	switch {
	case !l.held && n.mayBePosted() && (w.behind || fresh) && l.lets():
		w.toPost(n)
		return nil, posts, nil
	case fresh:
		l.held, l.runs = true, true
		return nil, alone, nil
	}
	l.held = true
	l.queue = append(l.queue, n)
	l.watch(n)
	return nil, queued, nil
}

// fresh returns an empty line.
func (w *window) fresh() *line {
	if n := len(w.spare) - 1; n >= 0 {
		l := w.spare[n]
		w.spare = w.spare[:n]
		return l
	}
	return new(line)
}

// toPost gives n its number, behind the one before it. It is called with mu held.
func (w *window) toPost(n *note) {
	l := n.line
	l.out++
	n.number, n.after = w.poster.Number(), l.before
	l.before = n.number
}

// told takes a posted note back. With again, the note goes into the queue to be sent again, in its place among
// those that have come back before it. runs reports whether the caller must start the line's goroutine. ofTurns are
// notes that the caller must tell that there is no room ([refuse]).
func (w *window) told(n *note, accepted, again bool) (runs bool, ofTurns []*note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if accepted {
		n.line.grow()
	}
	l := n.line
	runs = w.take(n, again)
	return runs, l.stood(w)
}

// Accepted implements [dispatch.Gatherer].
func (w *window) Accepted(all []dispatch.Told) {
	defer w.accepted(all) // also where the metrics end the goroutine
	for _, t := range all {
		n := t.(*note)
		_, _ = n.c.conclude(nil, nil, &n.env)
	}
}

// accepted ends posted notes that were accepted.
func (w *window) accepted(all []dispatch.Told) {
	w.mu.Lock()
	for _, t := range all {
		n := t.(*note)
		n.line.grow()
		if w.take(n, false) {
			w.goOn(n.to, n.line, nil)
		}
	}
	w.mu.Unlock()
	for _, t := range all {
		n := t.(*note)
		n.receipt.end(nil)
		n.release()
	}
}

// take is told with mu held.
func (w *window) take(n *note, again bool) (runs bool) {
	l := n.line
	l.out--
	if again {
		l.held = true
		l.refused(n.refusal)
		l.watch(n)
		at, _ := slices.BinarySearchFunc(l.queue, n.place, (*note).compare)
		l.queue = slices.Insert(l.queue, at, n)
	} else {
		w.free(n)
	}
	if l.out > 0 || l.runs {
		return false
	}
	if !l.held {
		w.drop(n.to, l)
		return false
	}
	l.runs = true
	return true
}

// over takes a note that was sent by itself out of the window.
func (w *window) over(n *note, accepted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if accepted {
		n.line.grow()
	}
	w.free(n)
}

// free gives the room of a note back. It is called with mu held.
func (w *window) free(n *note) {
	w.open.Add(-1)
	if n.watcher != nil {
		n.watcher.Stop()
	}
	n.line.left(n, w.most)
	from := &w.from[n.sort()]
	from.leave(n)
	// Waking a sender for each place would cost more than the message.
	if (w.most < 0 || from.open <= w.most*3/4) && (from.open == 0 || from.bytes <= windowBytes*3/4) {
		from.wake()
	}
}

// isHasty reports whether a sender is told at once that a key has no room. A turn is, because the key may be waiting for it.
func (w *window) isHasty(inside bool) bool { return inside && !w.patient }

// mostSpare is how many empty lines are kept.
const mostSpare = 1024

// drop forgets an empty line. It is called with mu held.
func (w *window) drop(to address, l *line) {
	delete(w.lines, to)
	if *l = (line{}); len(w.spare) < mostSpare {
		w.spare = append(w.spare, l)
	}
}
