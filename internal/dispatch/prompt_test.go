package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/transport"
)

// TestAnAcceptanceThatComesLate: Carry waits 30 s for it, if the sender's context says nothing else. The notification goes on.
func TestAnAcceptanceThatComesLate(t *testing.T) {
	for what, c := range map[string]struct {
		deadline, answers time.Duration // 0 is none
		want              time.Duration
		err               error
	}{
		"never":                  {0, 0, DefaultRequestTimeout, context.DeadlineExceeded},
		"in time":                {0, 10 * time.Second, 10 * time.Second, nil},
		"the sender has a limit": {2 * time.Second, 0, 2 * time.Second, context.DeadlineExceeded},
		"a longer limit":         {time.Hour, 40 * time.Minute, 40 * time.Minute, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDispatcher(transport.Limits{HandlerTimeout: -1}, silent)
			var call *Call
			sub, err := d.Subscribe(t.Context(), whole(receives(func(taken *Call) {
				taken.ackLater()
				taken.Start(nil)
				if call = taken; c.answers > 0 {
					time.AfterFunc(c.answers, func() { taken.Reply(nil, nil) })
				}
			})))
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			if c.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.deadline)
				defer cancel()
			}
			began := time.Now()
			_, _, err = sub.Carry(ctx, &transport.Envelope{Key: "k", Delivery: transport.AwaitAccept}, plain.Value{}, nil)
			if took := time.Since(began); took != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s: %v after %v", what, err, took)
			}
			call.Reply(nil, nil)
			call.End()
			if err := d.Close(); err != nil || sub.Pending() != 0 {
				t.Errorf("%s: %v, and %d calls are left", what, err, sub.Pending())
			}
		})
	}
}
