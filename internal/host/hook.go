// A turn that no message has caused: its context and its limit

package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// The turns that no message causes.
const (
	activation   = "activation"
	passivation  = "passivation"
	periodicWork = "periodic work"
	draining     = "notice of a drain"
)

// hook is one turn that no message has caused: its context, and the watch over its
// time. A goroutine cannot be ended from outside. At the limit the context ends, and
// the callers that wait for the key are answered. The key takes no more messages until the
// hook has returned, so that there is never a second incarnation beside it.
type hook struct {
	quiet
	own   Context // what the method is given
	held  pool.Held
	what  string
	began time.Time
	by    *turn.Turn // those that wait for an activation

	limit time.Duration // not positive: none; changes under the mailbox's mu
	node  expiry.Node   // in the system's clock, with a limit
	late  bool          // past its limit; guarded by the mailbox's mu
	err   error         // its method's, told in a line of its own; used on the turn only

	mu     sync.Mutex
	ctx    context.Context // made when asked for: most hooks never do
	cancel context.CancelFunc
	turn   *turn.Turn // made when it asks something
	over   bool       // has returned
	lapsed bool       // another may have come to own the shard since it began
}

var _ Call = (*hook)(nil)

// beginHook is called on the cell's turn, and end when the hook has returned.
func beginHook(c *cell, what string, limit time.Duration) *hook {
	b, h := &c.mailbox, &hook{what: what, began: time.Now()}
	h.own = Context{call: h, cell: c}
	h.held.Begin(c.slot)
	b.mu.Lock()
	b.now = &h.own
	if x, ok := b.mail.first.(*Context); ok && what == activation {
		h.by = x.call.Waiting()
	}
	b.mu.Unlock()
	h.setLimit(limit)
	return h
}

// setLimit is called as the hook begins, and again when the entity was made, because its definition
// may have another limit.
func (h *hook) setLimit(limit time.Duration) {
	b := &h.own.cell.mailbox
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.late || limit == h.limit && limit > 0 { // it is in the clock
		return
	}
	h.limit = limit
	if clock := h.clock(); limit > 0 {
		clock.Add(&h.node, h, expiry.Plus(expiry.At(h.began), limit))
	} else {
		clock.Remove(&h.node)
	}
}

func (h *hook) clock() *expiry.Set { return clockOf(h.own.cell) }

// heedTime is how long a hook may take to return after its limit before a log line says
// that it has not. Most hooks watch their context, and their own failure says enough.
const heedTime = time.Second

// Expire implements [expiry.Expirer]: the hook is at its limit, or has not heeded that.
func (h *hook) Expire() {
	c := h.own.cell
	b := &c.mailbox
	b.mu.Lock()
	goesOn := b.now == &h.own && h.late && time.Since(h.began) >= h.limit+heedTime // end may have made it late just now
	b.mu.Unlock()
	if !goesOn {
		h.expire()
	} else {
		c.log().Warn("a hook takes too long: its key refuses messages until the hook returns", slog.String("hook", h.what), slog.Duration("after", h.limit))
	}
}

// failure is the error of the hook's method, with the reason if that is not the
// method's own.
func (h *hook) failure(err error) error {
	switch {
	case err == nil:
		return nil
	case h.lost():
		return fmt.Errorf("the node's lease on the shard has ended: %w", err)
	case h.limit > 0 && time.Since(h.began) >= h.limit:
		return fmt.Errorf("%w after %v: %w", errHookTimeout, h.limit, err)
	}
	return err
}

// expire answers the callers that wait for the key. The clock calls it, or end, if the
// hook has returned at the same moment.
func (h *hook) expire() {
	c := h.own.cell
	b := &c.mailbox
	b.mu.Lock()
	if b.now != &h.own || h.late || h.limit <= 0 || time.Since(h.began) < h.limit {
		b.mu.Unlock()
		return
	}
	h.late = true
	h.clock().Add(&h.node, h, expiry.Now()+int64(heedTime))
	waiting := b.mail.take(isOthers)
	b.mu.Unlock()
	c.refuse(waiting, h.why())
}

// why is the error for the waiting callers when the limit passes.
func (h *hook) why() *outcome.Error {
	if h.what == activation {
		return failure(outcome.ErrActivationFailed, "%v after %v", errHookTimeout, h.limit)
	}
	return outcome.Overloaded(retryStuck, "a hook of key %.64q takes too long: its %s takes longer than %v", h.own.cell.key, h.what, h.limit)
}

var errHookTimeout = errors.New("timeout")

// end is called when the hook has returned, in whatever way. A hook that has
// returned because its time was up counts as late too, because callers must not wait for as
// long again.
func (h *hook) end() {
	h.mu.Lock()
	h.over = true
	cancel, asked := h.cancel, h.turn // stay as they are from here on
	h.mu.Unlock()
	if asked != nil {
		asked.End()
	}
	if cancel != nil { // otherwise it has not looked at its time
		h.expire()
		cancel()
	}
	c := h.own.cell
	b := &c.mailbox
	b.mu.Lock()
	b.now = nil
	late := h.late
	b.mu.Unlock()
	h.clock().Remove(&h.node)
	h.held.Release()
	if late && h.err == nil { // otherwise its failure is told, and says that its time was up
		c.log().Warn("a hook returned after its time limit", slog.String("hook", h.what), slog.Duration("after", time.Since(h.began)))
	}
}
