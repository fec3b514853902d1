// A notification in the window: how it is sent, and what follows it

package cluster

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// note is a notification in the window. One goroutine at a time has it.
type note struct {
	c       *caller
	m       message
	to      address
	by      *mapping        // as the client knew it when the note was sent; nil is not at all
	first   bool            // nothing was sent to its shard before
	values  context.Context // of its sender; nil if nothing asks for them
	ttl     time.Time       // the end of its TTL; zero if it has none
	until   time.Time       // its end in any case
	env     Envelope        // as it was sent
	receipt *Receipt
	next    *note // behind it in line; guarded by the window's mu
}

// begin sends a notification and does not wait. The message's data is its own.
func begin(ctx context.Context, c *caller, m message) *Receipt {
	n := &note{c: c, m: m, to: m.to.address(), by: c.known.mapping.Load(), receipt: new(Receipt)}
	n.env = Envelope{Delivery: m.delivery, Shard: int(m.to.under(n.by).shard), Kind: m.to.kind, Key: m.to.key, Type: m.typ}
	n.freeze(ctx)
	if dispatch.AtAnEnd(ctx) { // the shard that gets it may end before this one
		_, err := c.call(ctx, &n.env, &n.m)
		return n.refused(err)
	}
	if err := awaitStored(ctx); err != nil {
		return n.refused(err)
	}
	n.until = time.Now().Add(DefaultRequestTimeout)
	first, err := c.window.enter(ctx, n)
	if err != nil {
		return n.refused(err)
	}
	receipt := n.receipt // n may be over before start returns
	if first {
		n.start(ctx)
	}
	return receipt
}

// refused ends a note that is not in the window.
func (n *note) refused(err error) *Receipt {
	_, err = n.c.conclude(nil, err, &n.env)
	return settled(err)
}

// freeze makes what the options say of the note's envelope, and what the call behind ctx hands on.
// From then on the note depends on neither.
func (n *note) freeze(ctx context.Context) {
	e := &n.c.envelopes
	if n.c.intercept != nil {
		n.values = dispatch.Detached(ctx)
	}
	if len(e.options)+len(n.m.scoped)+len(n.m.opts) == 0 && len(dispatch.HeadersOf(ctx)) == 0 {
		return
	}
	made := e.draft(&n.m)
	e.handOn(ctx, &made)
	made.Headers = maps.Clone(made.Headers)
	if n.env.Delivery = made.Delivery; made.TTLMs > 0 {
		n.ttl = time.Now().Add(time.Duration(min(made.TTLMs, mostTTL.Milliseconds())) * time.Millisecond)
	}
	n.m.scoped, n.m.opts = nil, []EnvelopeOption{func(env *Envelope) {
		*env = made
		if !n.ttl.IsZero() {
			env.TTLMs = max(1, time.Until(n.ttl).Milliseconds())
		}
	}}
}

// mostTTL is a time that nothing in a window lives to see.
const mostTTL = 24 * time.Hour

// start sends a note that is the first in its line.
func (n *note) start(ctx context.Context) {
	c := n.c
	switch {
	case n.env.Delivery == transport.AwaitNothing:
		_, err := c.alone(ctx, &n.env, &n.m)
		n.goOn(n.done(err))
	case c.poster == nil || n.by == nil || c.intercept != nil:
		n.goOn(n)
	default:
		n.post(ctx)
	}
}

// post sends the note and does not wait.
func (n *note) post(ctx context.Context) {
	c := n.c
	shard := n.m.to.under(n.by).shard
	if err := c.envelopes.newEnvelope(&n.env, &n.m, shard, n.by); err != nil {
		n.goOn(n.done(err))
		return
	}
	n.first = n.by.called.add(shard)
	if open, err := c.poster.Post(ctx, &n.env, n.until, n); !open {
		n.Told(err)
	}
}

// Told hears what has become of a note that was posted ([dispatch.Poster]).
func (n *note) Told(err error) {
	if err != nil && n.mayRunNow(err) {
		go func() { // ends when the notes that stand in line are over: each at its until, at the latest
			n.done(n.again(err)).run()
		}()
		return
	}
	n.goOn(n.done(n.m.amended(err)))
}

// mayRunNow reports whether the note is to be sent again after an error.
func (n *note) mayRunNow(err error) bool {
	c := n.c
	n.m.heard(err)
	return c.retries.patience(err, n.first, &n.m.command) > 0 || c.known.outdated(n.by, err) ||
		errors.Is(outer(err), ErrTransportNoShardSubscriber) && outcome.Of(err).NeverRan() // a Request looks for another owner
}

// again sends a note that was posted once more.
func (n *note) again(err error) error {
	c := n.c
	ctx, cancel := context.WithDeadline(context.Background(), n.until)
	defer cancel()
	n.env.Retry = outcome.Of(err) == NotStarted
	if !c.known.outdated(n.by, err) {
		_, err = c.exchange(ctx, &n.env, &n.m, n.by, n.first, false)
	}
	if err != nil && c.known.outdated(n.by, err) {
		_, err = c.learnAndCall(ctx, &n.env, &n.m)
	}
	return n.m.amended(err)
}

// send sends the note and waits for its acceptance.
func (n *note) send() error {
	if !n.ttl.IsZero() && !time.Now().Before(n.ttl) {
		return outcome.Errorf(ErrEnvelopeExpired, "it stood in line behind others to its key").WithOutcome(NotSent)
	}
	values := n.values
	if values == nil {
		values = context.Background()
	}
	ctx, cancel := context.WithDeadline(values, n.until)
	defer cancel()
	if ctx.Err() != nil {
		return outcome.ContextError(ctx.Err(), NotSent)
	}
	_, err := n.c.alone(ctx, &n.env, &n.m)
	return err
}

// done takes a note that is over out of its line, and returns the next; nil is none.
func (n *note) done(err error) (next *note) {
	_, err = n.c.conclude(nil, err, &n.env)
	next = n.c.window.leave(n)
	n.receipt.end(err)
	return next
}

// goOn sends n, which may be nil, and what stands in line behind it.
func (*note) goOn(first *note) {
	if first != nil {
		go first.run() // ends when the notes that stand in line are over: each at its until, at the latest
	}
}

// run is called for the first of a line, or nil. It sends it, and what stands in line behind it.
func (n *note) run() {
	for n != nil {
		n = n.done(n.send())
	}
}
