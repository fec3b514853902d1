// What hooks of a durable key change, and what its incarnation waits for at the end

package host

import (
	"context"
	"log/slog"
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

// rest waits, at the end of an incarnation, for the change that is on its way, because the next
// incarnation must find it. A change that is not on its way is lost. Only write-behind keys have
// such changes.
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
	h.Wait(func() { err = o.awaitStored(context.Background(), !lost) })
	mu.Lock()
	for o.fresh != nil && o.fresh.sending { // its time was up meanwhile
		mu.Unlock()
		h.Wait(func() { err = o.awaitStored(context.Background(), false) })
		mu.Lock()
	}
	left := o.fresh
	o.fresh = nil
	o.begun++
	mu.Unlock()
	if left != nil {
		if left.timer != nil {
			clockOf(s.cell).Remove(left.timer)
		}
		s.cell.log().Error("the newest state of a write-behind key is lost", slog.Any("error", err))
	}
}
