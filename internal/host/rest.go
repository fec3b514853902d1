// What hooks of a durable key change, and what its incarnation waits for at the end

package host

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/state"
)

// onTurn runs a method that no call causes as a turn: its error undoes its changes.
func (s *shell) onTurn(method func() error) error {
	o := s.cell.mailbox.outlet
	entered := o.enter(false)
	err := method()
	if err != nil {
		o.marks(func(t *leaving) { t.failed = true })
	}
	if entered {
		_ = o.settle(s) // the log says it
	}
	return err
}

// stores stores the state that a write-behind key holds, before the key leaves. If the store does not take the state
// now, it returns false, and the key stays.
func (s *shell) stores() bool {
	h := beginHook(s.cell, passivation, s.hookTimeout())
	defer h.end()
	var err error
	h.Wait(func() { err = s.cell.mailbox.outlet.awaitStored(&h.own, true) })
	return err == nil
}

// rest waits, at the end of an incarnation, for the change that is on its way, because the next
// incarnation must find it. A write-behind key may hold a newer state. While the store is full, rest
// tries again, until the time of a hook is up. Then that state is lost.
func (s *shell) rest(lost bool) {
	o := s.cell.mailbox.outlet
	if o == nil {
		return
	}
	mu := &o.cell.mailbox.mu
	mu.Lock()
	if o.fresh == nil {
		o.begun++
		mu.Unlock()
		return
	}
	mu.Unlock()
	h := beginHook(s.cell, passivation, s.hookTimeout())
	defer h.end()
	var err error
	for again := true; again; {
		h.Wait(func() {
			err = o.awaitStored(context.Background(), !lost)
			mu.Lock()
			left := o.fresh != nil // otherwise it was undone
			mu.Unlock()
			again = left && errors.Is(err, state.ErrFull) && !lost && pauses(&h.own, retryFull)
		})
	}
	mu.Lock()
	for o.fresh != nil && o.fresh.sending { // its time was up meanwhile
		mu.Unlock()
		h.Wait(func() { err = o.awaitStored(context.Background(), false) })
		mu.Lock()
	}
	left := o.fresh
	if left != nil {
		o.keptInMemory(false)
	}
	o.fresh = nil
	o.begun++
	mu.Unlock()
	if left != nil {
		if left.timer != nil {
			clockOf(s.cell).Remove(left.timer)
		}
		s.cell.log().Error("the newest state of a write-behind key is lost", slog.Any("error", err))
		if !lost { // else it is counted already
			s.shard.host.system.losses.key(byStore, false, err)
		}
	}
}

// pauses waits, and returns false if ctx has ended.
func pauses(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
