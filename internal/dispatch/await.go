// Waiting for what ends, until a moment

package dispatch

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// before returns a context that ends at a moment; the zero time is never.
func before(giveUp time.Time) (context.Context, context.CancelFunc) {
	if giveUp.IsZero() {
		return context.Background(), func() {}
	}
	return context.WithDeadline(context.Background(), giveUp)
}

// over returns true when done is closed, false when ctx ends before.
func over(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done: // at the same moment
		return true
	default:
		return false
	}
}

// within calls f, which waits for handlers and hooks. It returns when f has returned, or with an
// error when it is time to give up.
func within(giveUp time.Time, f func()) error {
	ctx, cancel := before(giveUp)
	defer cancel()
	done := make(chan struct{})
	go func() { // ends with f
		f()
		close(done)
	}()
	if !over(ctx, done) {
		return outcome.Errorf(outcome.ErrHandlerTimeout, "handlers or hooks of keys go on")
	}
	return nil
}
