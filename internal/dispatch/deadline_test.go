package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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
