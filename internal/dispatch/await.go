// Waiting for what ends, until a moment

package dispatch

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
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

// beside is after how long the calling goroutine gives up waiting for handlers that have
// no limit; 0 is never. A goroutine that a handler has started may be waited for by that
// handler, and would wait for itself. Nobody can tell, so that it is not refused.
func beside(p Pool, handlerTimeout time.Duration) time.Duration {
	s, ok := p.(interface{ StartedInside() bool })
	if handlerTimeout >= 0 || !ok || !s.StartedInside() {
		return 0
	}
	return transport.DefaultHandlerTimeout + grace
}
