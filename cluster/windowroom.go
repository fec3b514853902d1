// Room in the window, for turns and for other senders, and calls that follow notifications

package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Sorts of senders. Those that wait for room at a key share a window, and turns, which do not, have another that is as large. So a
// turn does not wait until a key has room for what others have sent, because the key may be waiting for the turn.
const (
	others = iota
	turns
	sorts
)

func (n *note) sort() int {
	if n.hasty {
		return turns
	}
	return others
}

// seats is what notifications of a sort of senders take up, in the window or in a line. The window's mu guards it.
type seats struct {
	open  int
	bytes int
	room  chan struct{} // closed when there is room again; nil while no sender waits
}

func (p *seats) enter(n *note) {
	p.open++
	p.bytes += len(n.m.data)
}

func (p *seats) leave(n *note) {
	p.open--
	p.bytes -= len(n.m.data)
}

// wait returns a channel that is closed when there is room again.
func (p *seats) wait() <-chan struct{} {
	if p.room == nil {
		p.room = make(chan struct{})
	}
	return p.room
}

// wake has waiting senders look again.
func (p *seats) wake() {
	if p.room != nil {
		close(p.room)
		p.room = nil
	}
}

// callBehind is call for a message to a key that has notifications in the window. The message's time begins now.
func callBehind(ctx context.Context, c *caller, env *Envelope, m *message, opts []EnvelopeOption) ([]byte, error) {
	m.sketch(env)
	var draft Envelope
	c.envelopes.draft(&draft, m, opts)
	until, ends := ctx, context.CancelFunc(func() {})
	switch {
	case draft.TTLMs > 0:
		end := time.Now().Add(time.Duration(min(draft.TTLMs, mostTTL.Milliseconds())) * time.Millisecond)
		until, ends = context.WithDeadline(ctx, end)
		opts = append(slices.Clip(opts), func(e *Envelope) { e.TTLMs = max(1, time.Until(end).Milliseconds()) })
	case draft.Delivery != transport.AwaitNothing && !dispatch.HasDeadline(ctx):
		until, ends = context.WithTimeout(ctx, DefaultRequestTimeout)
		ctx = until
	}
	defer ends()
	if err := c.window.follow(until, &m.to); err != nil {
		if errors.Is(err, ErrOverloaded) {
			return nil, err
		}
		late := outcome.Errorf(ErrEnvelopeExpired, "its time was up while notifications to its key stood before it").WithOutcome(NotSent)
		if ctx.Err() != nil {
			late = waited(ctx.Err(), "behind notifications to its key")
		}
		return nil, c.window.because(late, m.to.address())
	}
	m.first = true
	return c.call(ctx, env, m, opts)
}
