package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestPassedOnLateHasItsOwnTime: an Unsubscribe gives a handler up soon after the end of
// its time. What such a handler has passed on just before has begun later, and has the
// same time from then on; what goes on beyond that is given up as well.
func TestPassedOnLateHasItsOwnTime(t *testing.T) {
	const limit, passes = 2 * time.Second, 6 * time.Second
	for _, c := range []struct {
		takes, waited time.Duration // of what was passed on, and of the Unsubscribe
	}{
		{limit, passes + limit},                         // ends later than its handler may go on
		{limit + grace + 1, passes + limit + grace},     // is given up by itself
		{limit + grace - passes - 1, limit + grace - 1}, // is over by then
	} {
		for _, funcs := range []bool{true, false} {
			h := func(pass HandlerFunc, _ chan struct{}) HandlerFunc {
				return func(ctx context.Context, env Envelope) ([]byte, error) {
					time.Sleep(passes) // its context has ended long since
					return pass(context.WithoutCancel(ctx), env)
				}
			}
			passingOn(t, Limits{HandlerTimeout: limit}, h, func(s *Sub, _ *standingGate, b *book, _ chan struct{}) {
				s.Dispatch(NewCall(Envelope{Delivery: AwaitAccept}, &inbox{}, 0))
				synctest.Wait()
				began := time.Now()
				go func() { // ends with what was passed on
					time.Sleep(passes)
					synctest.Wait()
					b.calls[0].Start(nil)
					time.Sleep(c.takes)
					b.calls[0].Reply(nil, nil)
					b.calls[0].End()
				}()
				end := s.Unsubscribe
				if !funcs {
					end = func() error { return s.d.Close() }
				}
				err := end()
				if took := time.Since(began); took != c.waited {
					t.Errorf("passed on for %v: waited for %v, want %v", c.takes, took, c.waited)
				}
				if givenUp := c.takes > limit+grace; givenUp != errors.Is(err, ErrHandlerTimeout) || !givenUp && err != nil {
					t.Errorf("passed on for %v: %v", c.takes, err)
				}
				time.Sleep(time.Minute)
			})
		}
	}
}
