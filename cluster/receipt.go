// Receipt: what a sender that has gone on can learn of its notification

package cluster

import (
	"context"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// Receipt tells what has become of a notification that [ScopedClient.NotifyAsync] has sent. It is
// safe for concurrent use.
type Receipt struct {
	mu   sync.Mutex
	done chan struct{} // made by the first Done
	over bool
	err  error
	n    *note // nil once it is over
	// before is the receipt of an earlier notification to the key, which may be open when this one is over. It leads to all
	// that are earlier and open.
	before *Receipt
}

// closed is the channel of all receipts that are over before their Done is called.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done returns a channel that is closed when the notification was accepted or has failed. A handler calls Wait instead. Only
// then does a shard that is handed over, and waits for the handler, know that it must accept the notification.
func (r *Receipt) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.done != nil:
	case r.over:
		r.done = closed
	default:
		r.done = make(chan struct{})
	}
	return r.done
}

// Err returns the error that [ScopedClient.Notify] would have returned. It returns nil if the
// notification was accepted, and as long as Done is open.
func (r *Receipt) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Wait waits until the notification was accepted or has failed, and returns what Err returns then.
// If ctx ends first, Wait returns ctx's error with the outcome MaybeRan, and the notification goes on.
func (r *Receipt) Wait(ctx context.Context) error {
	if err := r.awaits(ctx, nil, MaybeRan); err != nil {
		return err
	}
	return r.Err()
}

// awaits waits until the notification is over. It returns an error if ctx ends before, with the outcome o, or if its line begins to
// wait for room.
func (r *Receipt) awaits(ctx context.Context, standing <-chan struct{}, o Outcome) error {
	done := r.Done()
	select {
	case <-done:
		return nil
	default:
	}
	w := dispatch.BeginWait(ctx)
	defer w.EndWait(ctx)
	if turn.Inside(ctx) {
		defer r.asks(ctx)()
	}
	select {
	case <-done:
		return nil
	case <-standing:
		return errFull(NotSent)
	case <-ctx.Done():
		return outcome.ContextError(ctx.Err(), o)
	}
}

// open returns the newest of r and those before it that is not over; nil if all are.
func (r *Receipt) open() *Receipt {
	for r != nil {
		r.mu.Lock()
		over, before := r.over, r.before
		r.mu.Unlock()
		if !over {
			return r
		}
		r = before
	}
	return nil
}

// end is called once.
func (r *Receipt) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over, r.err, r.n, r.before = true, err, nil, r.before.open()
	if r.done != nil {
		close(r.done)
	}
}

// receiptOf makes the receipt of a notification that was over at once.
func receiptOf(err error) *Receipt { return &Receipt{over: true, err: err} }
