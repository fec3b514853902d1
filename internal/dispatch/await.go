// Waiting for what ends, until a moment

package dispatch

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// closing calls f and returns a channel that is closed when it has returned.
func closing(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { // ends with f
		f()
		close(done)
	}()
	return done
}

// awaitUntil returns when done is closed, or an error at giveUp; the zero time
// is never.
func awaitUntil(done <-chan struct{}, giveUp time.Time, what string) error {
	if giveUp.IsZero() {
		<-done
		return nil
	}
	timer := time.NewTimer(time.Until(giveUp))
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return outcome.Errorf(outcome.ErrHandlerTimeout, "%s", what)
	}
}
