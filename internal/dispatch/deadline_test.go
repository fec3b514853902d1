package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// TestCallersDeadlineIsTheCalls: under virtual time moments are negative, and
// the call must end all the same.
func TestCallersDeadlineIsTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, transport.Limits{HandlerTimeout: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { _, _ = s.Do(ctx, transport.Envelope{}) }() // ends with ctx
		synctest.Wait()
		c := b.calls[0]
		if !c.Start(nil) {
			t.Fatal("did not start")
		}
		want, _ := ctx.Deadline()
		if got, ok := c.Deadline(); !ok || !got.Equal(want) {
			t.Errorf("deadline %v, %v; want %v", got, ok, want)
		}
		select {
		case <-c.Done():
		case <-time.After(time.Minute):
			t.Error("did not end")
		}
		c.End()
	})
}

// TestLateBeforeItIsDispatched: a message of this process is not looked at twice for being late, and must not
// run all the same.
func TestLateBeforeItIsDispatched(t *testing.T) {
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDispatcher(transport.Limits{}, nil)
			s, err := d.Subscribe(t.Context(), Subscriber{Receiver: d.ReceiverFunc(func(context.Context, transport.Envelope) ([]byte, error) {
				t.Error("it ran")
				return nil, nil
			})})
			if err != nil {
				t.Fatal(err)
			}
			env := transport.Envelope{TTLMs: 5, Delivery: delivery}
			env.Stamp()
			<-time.After(5 * time.Millisecond)
			_, _, err = s.Carry(t.Context(), &env, plain.Value{}, nil)
			if !errors.Is(err, outcome.ErrEnvelopeExpired) || outcome.Of(err) != outcome.NotStarted {
				t.Errorf("delivery %d: %v (%v)", delivery, err, outcome.Of(err))
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
