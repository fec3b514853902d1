// The window of a client: its notifications that nobody waits for, in order

package cluster

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
)

// defaultWindow is how many notifications of a client may be on their way while their senders go on.
const defaultWindow = 4096

// windowBytes is how many bytes of messages they may have together. A single one may have more.
const windowBytes = 16 << 20

// window holds the notifications of a client whose senders have gone on. Those to one key stand in
// line: each is sent when the one before it was accepted or has failed for good, so none can
// overtake one that is tried again. Senders wait while the window is full.
type window struct {
	most int          // negative is no limit
	open atomic.Int64 // changes with mu held; other calls read it

	mu    sync.Mutex
	bytes int
	last  map[address]*note // of each key's line
	room  chan struct{}     // closed when there is room again; nil while no sender waits
}

func (w *window) init(most int) { w.most, w.last = cmp.Or(most, defaultWindow), map[address]*note{} }

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

// enter puts n at the end of its key's line. It waits for room until ctx ends. first reports
// whether the line was empty, so that n may go out now.
func (w *window) enter(ctx context.Context, n *note) (first bool, err error) {
	for {
		room, first := w.tryEnter(n)
		if room == nil {
			return first, nil
		}
		wait := dispatch.BeginWait(ctx)
		select {
		case <-room:
		case <-ctx.Done():
			err = outcome.ContextError(ctx.Err(), NotSent)
		}
		wait.EndWait(ctx)
		if err != nil {
			return false, err
		}
	}
}

// tryEnter returns a channel that is closed when there is room, if there is none.
func (w *window) tryEnter(n *note) (room <-chan struct{}, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.open.Load()
	if w.most >= 0 && open >= int64(w.most) || open > 0 && w.bytes+len(n.m.data) > windowBytes {
		if w.room == nil {
			w.room = make(chan struct{})
		}
		return w.room, false
	}
	w.open.Add(1)
	w.bytes += len(n.m.data)
	before := w.last[n.to]
	if before != nil {
		before.next = n
	}
	w.last[n.to] = n
	return nil, before == nil
}

// leave takes n, the first of its line, out. It returns the next, which may go out now, or nil.
func (w *window) leave(n *note) (next *note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.open.Add(-1)
	w.bytes -= len(n.m.data)
	if next = n.next; next == nil {
		delete(w.last, n.to)
	}
	// A sender that woke for each place would cost a change of goroutines for each message.
	if w.room != nil && (w.most < 0 || open <= int64(w.most)*3/4) && (open == 0 || w.bytes <= windowBytes*3/4) {
		close(w.room)
		w.room = nil
	}
	return next
}

// pass waits until all notifications to a key that are in the window now have been accepted or have
// failed, so that a call of the same caller comes after them.
func (w *window) pass(ctx context.Context, to target) error {
	if w.open.Load() == 0 {
		return nil
	}
	w.mu.Lock()
	before := w.last[to.address()]
	w.mu.Unlock()
	if before == nil {
		return nil
	}
	_ = before.receipt.Wait(ctx) // its error is told there
	if err := ctx.Err(); err != nil {
		return outcome.ContextError(err, NotSent)
	}
	return nil
}
