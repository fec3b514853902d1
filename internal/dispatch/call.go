// Call: one envelope on the node's side, from arrival to its end

package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Replier is the way back to the sender of a call.
type Replier interface {
	// Reply gives the sender what it waits for, a reply or an error. It is
	// called once, must not block, and may keep data only if c.DataIsOwned.
	Reply(c *Call, data []byte, err *outcome.Error)
}

// Observer is told of the life of a subscription's calls; nodes count with it.
type Observer interface {
	// CallStarted returns what CallFinished is to be given.
	CallStarted(c *Call) (kept any)
	// CallFinished is called once for each call, when it was answered and its
	// handler has returned. started is false for a call that was refused, also
	// where the receiver has not seen it; then kept is nil.
	CallFinished(c *Call, started bool, kept any, err *outcome.Error)
}

// The life of a call, as bits: it may be answered before its handler ends (a
// timeout) and after (an actor that answers later).
const (
	bitStarted  uint32 = 1 << iota // the handler runs or has run
	bitEnded                       // the handler has returned
	bitAnswered                    // the outcome is decided
	bitReplied                     // the sender has been told
	bitRefused                     // it was told an error
	bitOwned                       // the reply's slice belongs to the replier
	bitQueued                      // in a line that it cannot be taken out of
	bitClosed                      // answered, and the sender has been told
	bitLate                        // a notification whose handler says when it is accepted
	bitTaken                       // a notification that counts as accepted by a shard that may move
	bitLost                        // it has been counted as lost, or dropped
	bitNoted                       // its shard knows that the handler looks at its end
	bitOpen                        // its handler has left it open, which its shard knows
	bitNoEffect                    // its handler says that nothing of it remains
	bitAsked                       // its handler waits for another call, or has
	bitFor                         // turns wait for it
	bitPlaced                      // it is known where it stands in line
	bitStop                        // a notification of a stop hook whose shard ends
	bitWeighed                     // its bytes count as a key's
	bitPassed                      // a nested call that its handler has made has run, or may have
	bitNested                      // made by the handler of another call of the subscription
	bitPart                        // which ran at that moment
	bitSameKey                     // and is for the key of that call
)

// Call is one envelope on the node's side, from its arrival until it was
// answered and its handler has ended. It is the handler's context too: it ends
// when the call is answered, at the caller's deadline or cancellation at the
// latest.
//
// Exactly one of refusing, replying and running out of time decides the call;
// what comes later is dropped. All methods are safe for concurrent use.
type Call struct {
	env     transport.Envelope
	replier Replier
	sub     *Sub
	bits    atomic.Uint32
	far     bool // its sender is in another process
	byTTL   bool // until is the end of the time to live, not the caller's deadline
	ended   how  // guarded by mu

	until    int64        // moment by which the call must be answered; 0 is none
	runUntil int64        // the same with the handler timeout; set by Start
	bytes    atomic.Int64 // what it holds, while it is in flight
	node     expiry.Node
	fn       *funcReceiver // what runs it, where that is a plain func
	kept     any           // the observer's

	mu   sync.Mutex
	err  *outcome.Error // what it was answered with
	slot pool.Held      // while the handler runs
	more *more          // made when one of its fields is needed
}

// more is what few calls have. It is guarded by the call's mu.
type more struct {
	done  chan struct{} // made when asked for
	after func()        // to be called when answered
	key   *keyID        // whose bytes the call's count as
	name  string        // of the key, where the envelope names another
	place turn.Place    // where it stands in line
	probe *time.Timer   // while it does
	by    *Turn         // those that wait for the call
	own   *Turn         // its handler's turn, made when that asks something
	stop  turn.Role     // with bitStop: what the hook is
	past  int           // the same: how many notifications are between

	inner *outcome.Error // of the last nested call that did not run, or may run still
}

// rest returns what few calls have. It is called with mu held.
func (c *Call) rest() *more {
	if c.more == nil {
		c.more = new(more)
	}
	return c.more
}

// NewCall makes a call for env, whose sender waits in another process and is
// answered through r. The call takes env over. budget is the time that the
// caller gives it; zero is none. It must be handed to [Sub.Dispatch].
func NewCall(env transport.Envelope, r Replier, budget time.Duration) *Call {
	c := new(Call)
	c.Init(env, r, budget)
	return c
}

// Init is NewCall for a call that is part of a larger struct.
func (c *Call) Init(env transport.Envelope, r Replier, budget time.Duration) {
	var deadline int64
	if budget > 0 {
		deadline = expiry.Plus(expiry.Now(), budget)
	}
	c.far = true
	c.init(&env, r, deadline)
}

// init is Init with the moment of the caller's deadline; 0 is none.
func (c *Call) init(env *transport.Envelope, r Replier, deadline int64) {
	c.env, c.replier = *env, r
	if deadline == 0 && c.far {
		c.env.Bound(context.Background()) // a sender of another make may have forgotten to
		env = &c.env
	}
	if deadline != 0 && env.Delivery == transport.AwaitReply { // a notification lives on when its sender has gone
		c.until = deadline
	}
	if env.TTLMs <= 0 {
		return
	}
	if end := env.EndOfLife(); c.until == 0 || end < c.until {
		c.until, c.byTTL = end, true
	}
}

// deadlineOf is the moment of ctx's deadline; 0 is none.
func deadlineOf(ctx context.Context) int64 {
	if d, ok := ctx.Deadline(); ok {
		if m := expiry.At(d); m != 0 {
			return m
		}
		return -1
	}
	return 0
}

// Envelope returns the call's envelope. The handler owns it until it returns. Before
// the call has started, Data and Headers may go at any moment: see [Call.Peek].
func (c *Call) Envelope() *transport.Envelope { return &c.env }

// Start says that the handler starts now, in the given slot (nil outside a
// pool). It returns false if the call was decided before: then it must not
// run, and End must not be called.
func (c *Call) Start(slot Slot) bool {
	var now int64
	if st := c.sub.standing; !st.Leased() {
		now = expiry.Now()
	} else { // which wants to know the time too: it is read once
		at := time.Now()
		now = expiry.At(at)
		if err := st.Start(asked{c}, at); err != nil {
			c.Refuse(err)
			return false
		}
	}
	if c.until != 0 && now >= c.until {
		c.Expire()
		return false
	}
	c.slot.Begin(slot) // nobody else looks before the handler runs
	c.runUntil = c.sub.d.clock.runUntil(c.until, now)
	for {
		old := c.bits.Load()
		if old&(bitStarted|bitAnswered) != 0 {
			return false
		}
		if c.bits.CompareAndSwap(old, (old|bitStarted)&^bitQueued) {
			if old&bitPlaced != 0 {
				c.leavePlace()
			}
			break
		}
	}
	c.sub.d.clock.watchHandler(c, now)
	if o := c.observer(); o != nil {
		c.observed(func() { c.kept = o.CallStarted(c) })
	}
	return true
}

// Reply answers with what the handler returned. An error is the application's:
// its outcome is RanAndFailed. The slice stays the handler's.
func (c *Call) Reply(data []byte, err error) {
	if err != nil {
		c.replyError(err, outcome.HandlerError)
		return
	}
	c.answer(data, nil)
}

// ReplyOwned is Reply for a slice that the handler gives away.
func (c *Call) ReplyOwned(data []byte) {
	c.bits.Or(bitOwned)
	c.answer(data, nil)
}

// DataIsOwned tells a replier that it may keep the reply's slice.
func (c *Call) DataIsOwned() bool { return c.bits.Load()&bitOwned != 0 }

// Refuse answers with an error of the library's. For a call that has started, a
// refusal that claims that nothing ran becomes MaybeRan.
func (c *Call) Refuse(err *outcome.Error) { c.refuse(err, done) }

// Fail answers with an error of the library's as it stands, also where the call
// was started: for a handler that finds that it has nothing to run. A
// notification was accepted before, also where its sender is yet to be told.
func (c *Call) Fail(err *outcome.Error) {
	if !c.AwaitsReply() && c.bits.Load()&bitLate == 0 {
		c.tell(nil, nil)
	}
	c.answer(nil, err)
}

// Panicked answers for a handler that has panicked, and logs its stack: it must
// be called from the deferred function that recovered. The caller learns
// neither value nor stack.
func (c *Call) Panicked(value any) {
	c.sub.life.log.Error("handler panicked", sparse.Entity(c.env.Kind, c.env.Shard, c.Key()), slog.String("type", c.env.Type), sparse.Panic(value))
	c.answer(nil, outcome.Errorf(outcome.ErrPanicked, "message type %q", c.env.Type))
}

// End says that the handler has returned. A call that it did not answer stays
// open until somebody does, or its time is up.
func (c *Call) End() {
	if c.slot.Release() {
		c.sub.life.busy.Add(1)
	}
	old := c.bits.Or(bitEnded)
	c.endTurn(old)
	if old&(bitEnded|bitClosed) == bitClosed {
		c.finish()
	}
}

// Leave decides the call for a sender that has gone, and returns what it then
// knows: NotStarted if the handler will never run, MaybeRan if it has started.
// ok is false if the call was decided before: the reply is on its way.
func (c *Call) Leave(cause error) (o outcome.Outcome, ok bool) {
	old := c.bits.Or(bitAnswered)
	if old&bitAnswered != 0 {
		return outcome.Succeeded, false
	}
	c.bits.Or(bitReplied | bitRefused) // nobody will be told anything else
	o = outcome.NotStarted
	if old&bitStarted != 0 {
		o = outcome.MaybeRan
	}
	c.settle(outcome.ContextError(cause, o), howOf(cause))
	c.close()
	return o, true
}

// Expire answers a call whose time is up. Timers call it.
func (c *Call) Expire() {
	var err *outcome.Error
	switch {
	case c.until == 0 || expiry.Now() < c.until:
		err = outcome.Errorf(outcome.ErrHandlerTimeout, "the node's limit is %v", c.sub.d.limits.HandlerTimeout)
	case c.byTTL:
		err = outcome.New(outcome.ErrEnvelopeExpired)
	default:
		err = outcome.New(context.DeadlineExceeded)
	}
	c.refuse(err.WithOutcome(outcome.NotStarted), late)
}
