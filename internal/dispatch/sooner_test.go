package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/transport"
)

// TestSoonerAtTheSameMoment: a call whose end comes nearer while the clock looks at it ends at the nearer moment.
func TestSoonerAtTheSameMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{}, silent)
		sub, err := d.Subscribe(context.Background(), whole(&book{}))
		if err != nil {
			t.Fatal(err)
		}
		l := newLocal(d, &transport.Envelope{TTLMs: 30_000}, 0)
		sub.dispatch(&l.Call, sub.to.Receiver, nil, false)
		d.clock.Remove(&l.node) // the clock looks, because the time of a call before is up, and reads due
		due := l.due.Load()
		(*timed)(&l.Call).endAt(expiry.Now() + int64(time.Second))
		(*timed)(&l.Call).lookBy(due) // and goes on with what it has read
		if pass(2 * time.Second); !l.has(bitAnswered) {
			t.Error("the call goes on")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}
