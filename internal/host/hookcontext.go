// A hook's context and turn

package host

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// context ends at the limit, when the hook has returned, when the host gives
// up, and as soon as another node may own the shard.
func (h *hook) context() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx == nil {
		c := h.own.cell
		life := c.shard.host.life
		if until, ok := h.Deadline(); ok {
			h.ctx, h.cancel = context.WithDeadline(life, until)
		} else {
			h.ctx, h.cancel = context.WithCancel(life)
		}
		if h.over || h.lapsed || c.shard.lapsed() || c.mailbox.stands().end == cutOff {
			h.cancel()
		}
	}
	return h.ctx
}

// endContext ends the context for good: the lease has lapsed, and may come back, or the
// key was cut off.
func (h *hook) endContext(lapsed bool) {
	h.mu.Lock()
	h.lapsed = h.lapsed || lapsed
	cancel := h.cancel
	h.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// lost reports whether another node may own the shard, or may have owned it since h began.
func (h *hook) lost() bool {
	h.mu.Lock()
	lapsed := h.lapsed
	h.mu.Unlock()
	return lapsed || h.own.cell.shard.lapsed()
}

func (h *hook) Deadline() (time.Time, bool) {
	if h.limit <= 0 {
		return time.Time{}, false
	}
	return h.began.Add(h.limit), true
}

func (h *hook) Done() <-chan struct{} { return h.context().Done() }

func (h *hook) Err() error { return h.context().Err() }

func (h *hook) Value(key any) any {
	switch key.(type) {
	case turn.InsideKey:
		return true
	case turn.MakerKey:
		return h
	case turn.LentKey: // no message has caused it
		return nil
	}
	if v, ok := h.held.Value(key); ok {
		return v
	}
	return h.context().Value(key)
}

func (h *hook) Turn() *Turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil
	}
	return h.turn
}

func (h *hook) Asks() *Turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil
	}
	if h.turn == nil {
		c := h.own.cell
		c.shard.mu.RLock()
		ends := c.shard.group != nil
		c.shard.mu.RUnlock()
		role := turn.Key
		switch {
		case h.what != passivation:
		case !ends:
			role = turn.Stop
		case c.mailbox.stands().end == woken:
			role = turn.Last
		default:
			role = turn.Ending
		}
		h.turn = turn.New(c.shard.id, role, c.shard.host.opts.Kind, c.key, h.by)
		if role == turn.Key && ends {
			h.turn.ShardEnds()
		}
	}
	return h.turn
}

// shardEnds says that the shard of a running hook ends, so that the hook's requests are served
// from now on. It is called when the shard has its group.
func (h *hook) shardEnds() {
	h.mu.Lock()
	asked := h.turn
	h.mu.Unlock()
	if asked != nil { // otherwise it learns its role when it asks
		asked.ShardEnds()
	}
}

// Wait implements [Call].
func (h *hook) Wait(f func()) {
	if waits, _ := h.held.BeginWait(); waits {
		defer h.held.EndWait(h)
	}
	f()
}

// quiet is a call without a sender.
type quiet struct{ lasting }

func (quiet) Message() Message               { return Message{} }
func (quiet) Data() []byte                   { return nil }
func (quiet) Borrow() []byte                 { return nil }
func (quiet) Plain(*plain.Type) *plain.Value { return nil }
func (quiet) Wants(*plain.Type) bool         { return false }
func (quiet) ReplyValue(plain.Value)         {}
func (quiet) Start(pool.Slot) bool           { return true }
func (quiet) Reply([]byte, error)            {}
func (quiet) ReplyOwned([]byte)              {}
func (quiet) Fail(*outcome.Error)            {}
func (quiet) Age() time.Duration             { return 0 }
func (quiet) Panicked(any)                   {}
func (quiet) Wait(f func())                  { f() }
func (quiet) AfterAnswer(func())             {}
func (quiet) OnDrain(func())                 {}
func (quiet) Given()                         {}
func (quiet) NoEffect(bool) bool             { return false }
func (quiet) HandBack() bool                 { return false }
func (quiet) AwaitsReply() bool              { return false }
func (quiet) Waiting() *Turn                 { return nil }
func (quiet) StopHook() turn.Role            { return turn.Key }
func (quiet) Turn() *Turn                    { return nil }
func (quiet) Queued(Place)                   {}
func (quiet) End()                           {}

// lasting is a call that is not used again.
type lasting struct{}

func (lasting) Spent() Past { return nil }
func (lasting) EndLast()    {}

func (lasting) IsAlone() bool  { return false }
func (lasting) Past() Past     { return nil }
func (lasting) EndAlone() bool { return false }
