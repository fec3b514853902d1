package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// lateSlot is a slot that is given back late.
type lateSlot struct {
	entered int
	gate    chan struct{}
}

func (s *lateSlot) Leave() {}
func (s *lateSlot) Enter(ctx context.Context) {
	s.entered++
	select {
	case <-s.gate:
	case <-ctx.Done():
	}
}

// TestOneSlotIsTakenBack: of goroutines of one handler whose waits end at nearly the
// same moment one takes the slot back. Two would wait for each other: for the slot
// that the first has, and for the goroutine that waits for it.
func TestOneSlotIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, transport.Limits{})
		c := NewCall(transport.Envelope{}, &inbox{}, time.Hour)
		s.Dispatch(c)
		slot := &lateSlot{gate: make(chan struct{})}
		c.Start(slot)
		waits := func() { w := BeginWait(c); w.EndWait(c) }
		first := make(chan struct{})
		go func() { waits(); close(first) }()
		synctest.Wait()
		second := make(chan struct{})
		go func() { waits(); close(second) }()
		synctest.Wait()
		if slot.entered != 1 {
			t.Errorf("%d goroutines wait for the slot", slot.entered)
		}
		<-second
		close(slot.gate)
		<-first
		waits() // as before
		if slot.entered != 2 {
			t.Errorf("the slot was taken back %d times, want 2", slot.entered)
		}
		c.Reply(nil, nil)
		c.End()
		if slot.entered != 2 {
			t.Error("the slot was not held at the end")
		}
	})
}
