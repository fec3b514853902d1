package pool

import (
	"context"
	"sync"
)

type heldKey struct{}

// Held is the slot of a turn whose context leads to it, so that a wait inside
// the turn can give the slot away. The zero value has none.
type Held struct {
	mu    sync.Mutex
	slot  Slot
	waits int
	held  bool

	enters bool // a goroutine takes the slot back: a second would wait for the first
}

// HeldFrom returns what ctx leads to, or nil.
func HeldFrom(ctx context.Context) *Held {
	h, _ := ctx.Value(heldKey{}).(*Held)
	return h
}

// Value is for the Value method of a context that leads to h.
func (h *Held) Value(key any) (any, bool) { return h, key == heldKey{} }

// Take begins a turn in s.
func (h *Held) Take(s Slot) {
	h.mu.Lock()
	h.slot, h.held = s, s != nil
	h.mu.Unlock()
}

// Release ends the turn, with its slot taken.
func (h *Held) Release() {
	h.mu.Lock()
	s, held := h.slot, h.held
	h.slot = nil
	h.mu.Unlock()
	if s != nil && !held {
		s.Enter(context.Background()) // a goroutine of the turn's waits on
	}
}

// BeginWait gives the slot away, if there is one and it is held; false means
// that there is none, and nothing to end.
func (h *Held) BeginWait() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slot == nil {
		return false
	}
	h.waits++
	if h.held {
		h.held = false
		h.slot.Leave()
	}
	return true
}

// EndWait takes the slot back when the last wait has ended.
func (h *Held) EndWait(ctx context.Context) {
	h.mu.Lock()
	h.waits--
	s := h.slot
	back := s != nil && !h.held && !h.enters && h.waits == 0
	h.enters = h.enters || back
	h.mu.Unlock()
	if !back {
		return
	}
	s.Enter(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enters = false
	if h.slot != s || h.held || h.waits > 0 {
		s.Leave() // the same, meanwhile
		return
	}
	h.held = true
}

// ShardKey is the key under which the context of a hook has its shard, a uint32.
type ShardKey struct{}
