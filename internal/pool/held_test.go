package pool

import (
	"context"
	"testing"
	"testing/synctest"
)

// lateSlot is a slot that is given back late.
type lateSlot struct {
	entered int
	gate    chan struct{}
}

func (s *lateSlot) Leave() {}
func (s *lateSlot) Enter(context.Context) {
	s.entered++
	<-s.gate
}

// TestOneSlotIsTakenBack: of goroutines of one turn whose waits end at nearly the same
// moment one takes the slot back; a second would wait for what the first has.
func TestOneSlotIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Held{}
		slot := &lateSlot{gate: make(chan struct{})}
		h.Begin(slot)
		waits := func() { h.BeginWait(); h.EndWait(t.Context()) }
		first, second := make(chan struct{}), make(chan struct{})
		go func() { waits(); close(first) }()
		synctest.Wait()
		go func() { waits(); close(second) }()
		synctest.Wait()
		if slot.entered != 1 {
			t.Errorf("%d goroutines wait for the slot", slot.entered)
		}
		close(slot.gate)
		<-first
		<-second
		waits() // as before
		h.Release()
		if slot.entered != 2 {
			t.Errorf("the slot was taken back %d times, want 2", slot.entered)
		}
	})
}
