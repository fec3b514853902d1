// Notifications: acknowledgements that come late, failures that nobody waits for

package transport

import (
	"context"
	"log/slog"

	"github.com/clstr-go/clstr/internal/sparse"
)

// notify dispatches a notification. The owner's acceptance is part of that, and
// so is what refuses it.
func (s *Sub) notify(ctx context.Context, env *Envelope, from *Call) error {
	c := new(Call)
	c.init(env, nil, 0)
	c.from = from
	if from != nil || env.Delivery == AwaitAccept { // it is part of a call that was admitted to the shard
		var w Wait
		c.SetWaiting(w.For(ctx, env.Shard))
		defer w.EndWait(ctx)
	}
	if s.dispatch(c) {
		return nil
	}
	if c.bits.Load()&bitLate != 0 {
		return c.awaitAck(ctx)
	}
	if err := c.refused(); err != nil {
		return err
	}
	return nil
}

// Accepted reports whether it is a notification whose sender was told that the node
// has taken it, or does not wait to be told: should it fail now, that is no refusal.
func (c *Call) Accepted() bool {
	return !c.AwaitsReply() && c.bits.Load()&(bitReplied|bitRefused) == bitReplied
}

// AwaitsReply is false for a notification.
func (c *Call) AwaitsReply() bool { return c.env.Delivery == AwaitReply }

// ackLater says that the notification counts as accepted when the handler that
// it is handed to says so, and not before; whoever says it calls accepted. It is
// called by a receiver in Accept.
func (c *Call) ackLater() {
	c.sub.home().counts.leave(c)
	if c.replier != nil {
		c.bits.Or(bitLate)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.rest()
	m.told = make(chan struct{})
	if c.bits.Or(bitLate)&bitReplied != 0 { // its time was up just now
		m.refusal = c.err
		close(m.told)
	}
}

// accepted tells the sender of a notification that was to be acknowledged later.
func (c *Call) accepted() {
	if c.bits.Load()&bitLate != 0 {
		c.tell(nil, nil)
	}
}

// awaitAck waits for what ackLater has promised. A handler that waits here gives
// its slot away: what it waits for may need one.
func (c *Call) awaitAck(ctx context.Context) error {
	c.mu.Lock()
	m := c.more
	c.mu.Unlock()
	w := BeginWait(ctx)
	defer w.EndWait(ctx)
	select {
	case <-m.told:
	case <-ctx.Done():
		if c.bits.Load()&bitReplied == 0 {
			if o, ok := c.Leave(ctx.Err()); ok {
				return ContextError(ctx.Err(), o)
			}
		}
		<-m.told
	}
	if m.refusal != nil {
		return m.refusal
	}
	return nil
}

// answerAck tells a sender in this process that waits in awaitAck.
func (c *Call) answerAck(err *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more.refusal = err
	close(c.more.told)
}

// ObserveFailed has f called with the error of each notification that fails when
// its sender was told already that it was accepted, or does not wait to be told.
// f must not block. It must be called before the lifetime is used.
func (l *Lifetime) ObserveFailed(f func(*Error)) { l.onFailed = f }

func (l *Lifetime) tellFailed(err *Error) {
	defer sparse.Recover(l.log, "the metrics")
	l.onFailed(err)
}

// failed is told of a notification's error that its sender is not.
func (l *Lifetime) failed(c *Call, err *Error) {
	if l.onFailed != nil {
		l.tellFailed(err)
	}
	if err.Sentinel() == ErrPanicked {
		return // its stack is in the log
	}
	l.log.Warn("notification failed", sparse.Entity(c.env.Kind, c.env.Shard, c.Key()), slog.String("type", c.env.Type), slog.String("code", err.Code), slog.Any("error", err))
}
