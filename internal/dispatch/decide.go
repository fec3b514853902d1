// decision: how far a call is, and how it is decided: once

package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"
)

// The life of a call, as bits: it may be answered before its handler ends (a
// timeout) and after (an actor that answers later).
const (
	bitStarted  uint32 = 1 << iota // the handler runs or has run
	bitEnded                       // the handler has returned
	bitAnswered                    // the outcome is decided
	bitReplied                     // the sender has been told
	bitRefused                     // it was told an error
	bitOwned                       // the handler has given the reply's slice away
	bitQueued                      // in a line that it cannot be taken out of
	bitClosed                      // answered, and the sender has been told
	bitLate                        // a notification whose handler says when it is accepted
	bitTaken                       // a notification that counts as accepted by a shard that may move
	bitNoted                       // its shard knows that the handler looks at its end
	bitOpen                        // its handler has left it open, which its shard knows
	bitHurried                     // the same, and a drain ends it sooner
	bitNoEffect                    // its handler says that nothing of it remains
	bitTurn                        // its handler waits for another call, or has
	bitPlaced                      // it is known where it stands in line
	bitWeighed                     // its bytes count as a key's
	bitPassed                      // a nested call that its handler has made has run, or may have
	bitNested                      // made by the handler of another call of the subscription
	bitPart                        // which ran at that moment
	bitSameKey                     // and is for the key of that call
	bitFar                         // its sender is in another process
	bitByReturn                    // its transport tells its sender that it was accepted, when Dispatch returns
	bitTold                        // its sender in this process has its answer
	bitWaits                       // and waits for it on a channel
	bitBuffer                      // its data lie in memory that is used again, and no other code has it
	bitKept                        // code may keep the call when all is over
	bitLast                        // its handler has ended, and keeps nothing of it
	bitLeft                        // its sender, or its node, is done with it
	bitDone                        // its context was asked for its channel
	bitMore                        // it has some of the fields that few calls need
	bitAsks                        // code of its handler has begun a wait, for which its slot may be given away
)

// decision is how far a call is, and its answer. It does not know the sender or the handler: its
// methods say what is left to do.
type decision struct {
	bits atomic.Uint32

	mu    sync.Mutex     // guards what follows
	ended how            //
	err   *outcome.Error // what the call was answered with
	more  *more          // made when one of its fields is needed
	wake  chan struct{}  // gets a signal when the call's context ends; nil if no nested call waits for that
}

// more has the fields of all parts that few calls need. It is guarded by the call's mu.
type more struct {
	done  *endCtx        // made when asked for
	after func()         // to be called when answered
	inner *outcome.Error // of the last nested call that did not run, or may run still
	name  string         // of the key, where the envelope names another
	key   *keyID         // whose bytes the call's count as
	chain
}

// keeps reports whether there is more than done, which ends with the call and refers to nothing of it.
func (d *decision) keeps() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.more
	return m.after != nil || m.inner != nil || m.name != "" || m.key != nil || m.chain != (chain{})
}

// rest returns the fields that few calls need. It is called with mu held.
func (d *decision) rest() *more {
	if d.more == nil {
		d.more = new(more)
		d.bits.Or(bitMore)
	}
	return d.more
}

// how says why a call's context has ended.
type how uint8

const (
	not  how = iota
	done     // answered, or its sender has gone
	late     // its time was up
)

func howOf(cause error) how {
	if errors.Is(cause, context.DeadlineExceeded) {
		return late
	}
	return done
}

func (h how) err() error {
	switch h {
	case done:
		return context.Canceled
	case late:
		return context.DeadlineExceeded
	}
	return nil
}

// has reports whether all of the bits are set.
func (d *decision) has(bits uint32) bool { return d.bits.Load()&bits == bits }

// change sets bits, unless one of the bits need is not set or one of the bits bar is set. It
// returns the bits from before.
func (d *decision) change(need, bar, set uint32) (old uint32, ok bool) {
	for {
		old = d.bits.Load()
		if old&need != need || old&bar != 0 {
			return old, false
		}
		if d.bits.CompareAndSwap(old, old|set) {
			return old, true
		}
	}
}

// decide decides the call, unless it was decided before or one of the bits need is not set.
func (d *decision) decide(need uint32) (old uint32, ok bool) {
	return d.change(need, bitAnswered, bitAnswered)
}

// runs reports whether the call's handler runs.
func (d *decision) runs() bool { return d.bits.Load()&(bitStarted|bitEnded) == bitStarted }

// record keeps the call's answer, and ends its context. after, if not nil, must be
// called then.
func (d *decision) record(err *outcome.Error, h how) (after func()) {
	d.mu.Lock()
	d.err, d.ended = err, h
	if d.wake != nil {
		d.wake <- struct{}{} // which has room
		d.wake = nil
	}
	if m := d.more; m != nil {
		if m.done != nil {
			m.done.end(h)
		}
		after, m.after = m.after, nil
	}
	d.mu.Unlock()
	return after
}

// AfterAnswer calls f, which must not block, once the call was answered, at
// once if it was. Each f is called, in the order in which they came.
func (d *decision) AfterAnswer(f func()) {
	d.mu.Lock()
	if d.ended == not {
		d.bits.Or(bitKept) // f may know it
		m := d.rest()
		if first, next := m.after, f; first != nil {
			f = func() { first(); next() }
		}
		m.after, f = f, nil
	}
	d.mu.Unlock()
	if f != nil {
		f()
	}
}

// Failure returns the error that the call was answered with; nil for a reply, and while it
// is open.
func (d *decision) Failure() *outcome.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// refused returns the error that the sender was told, if it was told one.
func (d *decision) refused() *outcome.Error {
	if d.bits.Load()&bitRefused == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// NoEffect declares that the call has had no effect at the handler so far, so that it
// may go back, or takes that back. It returns false if the call has ended or has gone back already.
func (d *decision) NoEffect(none bool) (open bool) {
	if none {
		_, open = d.change(0, bitAnswered, bitNoEffect)
		return open
	}
	return d.bits.And(^bitNoEffect)&bitAnswered == 0
}

// Nested reports whether the call is made by the handler of another of its subscription.
func (d *decision) Nested() bool { return d.bits.Load()&bitNested != 0 }

// KeyPassedOn reports whether the call is nested in another and is for the key and the
// shard that the sender of that has named.
func (d *decision) KeyPassedOn() bool { return d.bits.Load()&bitSameKey != 0 }
