// arrival: an envelope that has arrived, its subscription, and the way back to its sender

package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// arrival is an envelope that has arrived at a subscription.
type arrival struct {
	content
	times
	sub *Sub
}

// Init is NewCall for a call that is part of a larger struct. Its envelope was stamped just now.
func (a *arrival) Init(env *transport.Envelope, r Replier, budget time.Duration) {
	var deadline int64
	if budget > 0 {
		deadline = expiry.Plus(expiry.Now(), budget)
	}
	a.bits.Or(bitFar)
	a.env, a.replier = *env, r
	if deadline == 0 {
		Bound(context.Background(), &a.env) // a sender of another make may have forgotten to
	}
	a.begins(deadline)
	a.fresh = a.AwaitsReply() // as in Carry
}

// begins sets the moment at which the call's time is up. deadline is its caller's; 0 is none.
func (a *arrival) begins(deadline int64) {
	env := &a.env
	if env.Delivery == transport.AwaitReply {
		a.until = deadline
	}
	if env.TTLMs <= 0 {
		return
	}
	if end := env.EndOfLife(); a.until == 0 || end < a.until {
		a.until = end
		a.byTTL = true
	}
}

// leavesAt returns the moment at which the sender of an envelope leaves; 0 is none. A notification lives on when its sender
// has gone.
func leavesAt(ctx context.Context, env *transport.Envelope) int64 {
	if env.Delivery != transport.AwaitReply {
		return 0
	}
	return deadlineOf(ctx)
}

// deadlineOf returns the moment of ctx's deadline; 0 is none.
func deadlineOf(ctx context.Context) int64 {
	if turn.OwnGate(ctx) != nil {
		if c := lend(ctx); c.own { // which knows the moment: a time would be made by one clock, and read by another
			defer c.giveBack()
			return c.runUntil
		}
	}
	if d, ok := ctx.Deadline(); ok {
		if m := expiry.At(d); m != 0 {
			return m
		}
		return -1
	}
	return 0
}

// SetKey says that the call is for another key than its envelope names: a [Receiver]
// that finds keys by itself calls it before it queues the call.
func (a *arrival) SetKey(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rest().name = key
}

// Key returns the key that the call is for: the envelope's, unless SetKey was called.
func (a *arrival) Key() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.more.keyOf(&a.env)
}

// keyOf is called with the call's mu held. m may be nil.
func (m *more) keyOf(env *transport.Envelope) string {
	if m != nil && m.name != "" {
		return m.name
	}
	return env.Key
}

// AwaitsReply is false for a notification.
func (a *arrival) AwaitsReply() bool { return a.env.Delivery == transport.AwaitReply }

// Accepted reports whether the call is a notification whose sender was told that the node
// has taken it, or does not wait to be told. If it fails now, that is no refusal.
func (a *arrival) Accepted() bool {
	return !a.AwaitsReply() && a.bits.Load()&(bitReplied|bitRefused) == bitReplied
}

// AckByReturn says that the transport tells the sender itself, if AckedByReturn reports so when
// Dispatch has returned. The replier then hears only of a refusal, or of what is accepted later. It is
// for the transport, before Dispatch.
func (a *arrival) AckByReturn() { a.bits.Or(bitByReturn) }

// AckedByReturn reports whether the call is a notification that was accepted, which only the transport tells.
func (a *arrival) AckedByReturn() bool {
	return !a.AwaitsReply() && a.bits.Load()&(bitReplied|bitRefused|bitByReturn) == bitReplied|bitByReturn
}

// Replied reports whether the call's sender was told, or has left.
func (a *arrival) Replied() bool { return a.has(bitReplied) }

// kind is where a notification counts.
func (a *arrival) kind() int {
	if a.env.Delivery == transport.AwaitNothing {
		return 1
	}
	return 0
}

// ackLater says that the notification counts as accepted when its handler has returned,
// and not before. A receiver calls it in Accept.
func (a *arrival) ackLater() {
	a.sub.counts.uncount(a)
	a.bits.And(^bitByReturn)
	a.bits.Or(bitLate)
}

// meter returns nil for a nested call, because that is a part of the work of a call that is
// measured.
func (a *arrival) meter() Meter {
	if a.bits.Load()&bitNested != 0 {
		return nil
	}
	return a.sub.to.Meter
}

// measured tells the meter, which is an application's code. If the meter panics, the call
// goes on.
func (a *arrival) measured(tell func()) {
	defer sparse.Recover(a.sub.d.life.log, "the metrics")
	tell()
}

// Apart calls an application's code where a panic would hurt others.
func (a *arrival) Apart(what string, f func()) { sparse.Apart(a.sub.life.log, what, f) }

// lost is the error of a call if its shard was dropped, or if it was left open for too long
// while its node ends.
func (a *arrival) lost() *outcome.Error {
	if !a.sub.standing.Leased() {
		return outcome.Errorf(outcome.ErrDraining, "%s: its answer was owed when the node ended", where(&a.env))
	}
	return outcome.Errorf(outcome.ErrNotOwner, "%s was lost while the call ran", where(&a.env))
}

// where names the target of an envelope in an error.
func where(e *transport.Envelope) string {
	if e.Key == "" {
		return fmt.Sprintf("shard %d", e.Shard)
	}
	return fmt.Sprintf("key %.64q (shard %d)", e.Key, e.Shard)
}
