// The slot of a turn, a call's or a hook's, for waits inside it

package pool

import (
	"context"
	"sync"
)

type heldKey struct{}

// Held is the slot of a turn whose context leads to it, so that a wait inside
// the turn can give the slot away. The zero value has none.
type Held struct {
	mu     sync.Mutex
	slot   Slot
	waits  int32 // goroutines of the turn's that wait
	held   bool  // false while one of them waits
	enters bool  // one takes the slot back: a second would wait for the first
}

// HeldFrom returns what ctx leads to, or nil.
func HeldFrom(ctx context.Context) *Held {
	h, _ := ctx.Value(heldKey{}).(*Held)
	return h
}

// Value is for the Value method of a context that leads to h.
func (h *Held) Value(key any) (any, bool) { return h, key == heldKey{} }

// Begin begins a turn in s. If s is nil there is no slot. Begin must be called before
// another goroutine knows of h.
func (h *Held) Begin(s Slot) { h.slot, h.held = s, s != nil }

// Release ends the turn, and takes its slot back. back reports whether the slot had been given
// away, because a goroutine of the turn still waits and the task needs its slot to end.
func (h *Held) Release() (back bool) {
	h.mu.Lock()
	s, held := h.slot, h.held
	h.slot = nil
	h.mu.Unlock()
	if s == nil || held {
		return false
	}
	s.Enter(context.Background())
	return true
}

// BeginWait gives the slot away, if it is held. waits is false where there is none:
// no pool, or the turn has ended and a goroutine of it goes on. Then there is nothing
// to end.
func (h *Held) BeginWait() (waits, left bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slot == nil {
		return false, false
	}
	h.waits++
	left = h.held
	if left {
		h.held = false
		h.slot.Leave()
	}
	return true, left
}

// EndWait takes the slot back when the last wait has ended; it waits for a free one
// until ctx ends. back reports whether it has.
func (h *Held) EndWait(ctx context.Context) (back bool) {
	h.mu.Lock()
	h.waits--
	s := h.slot
	back = s != nil && !h.held && !h.enters && h.waits == 0
	h.enters = h.enters || back
	h.mu.Unlock()
	if !back {
		return false // the turn has ended, or another goroutine of it waits, goes on or takes the slot back
	}
	s.Enter(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enters = false
	if h.slot != s || h.held || h.waits > 0 {
		s.Leave() // the same, meanwhile
		return false
	}
	h.held = true
	return true
}

// IsKey reports whether key is the one under which a context leads to a turn's slot.
func IsKey(key any) bool { return key == heldKey{} }
