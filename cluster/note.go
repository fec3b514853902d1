// A notification in the window: how it is sent, and what follows it

package cluster

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// note is a notification in the window. One goroutine at a time has it.
type note struct {
	c       *caller
	m       message
	to      address
	by      *mapping        // of keys to shards, as the client knew it; nil if it did not know it
	first   bool            // nothing was sent to its shard before
	hasty   bool            // it does not wait for room at its key
	values  context.Context // of its sender; nil if nothing asks for them
	ttl     time.Time       // the end of its TTL; zero if it has none
	until   time.Time       // its end in any case
	env     Envelope        // as it was sent
	room    []byte          // for the message's data, if its sender may reuse them
	holders atomic.Int32    // its receipt, until that was told, and each Post: a transport may tell it before Post returns
	refusal error           // why it is sent again; nil if it was not sent
	receipt *Receipt
	watcher *time.Timer // ends it with its TTL while it stands in a queue; nil if it has not stood there

	// Guarded by the window's mu.
	line          *line
	place         uint64 // in its line
	number, after uint64 // if it was posted
}

// notes are reused. A note is over when its receipt was told and no Post is under way.
var notes = sync.Pool{New: func() any { return new(note) }}

// mostRoom is how many bytes a note that is reused may have.
const mostRoom = 4 << 10

// release is called when the receipt was told, and at the end of each Post.
func (n *note) release() {
	if n.holders.Add(-1) > 0 {
		return
	}
	if cap(n.room) > mostRoom || n.c.keeps {
		n.room = nil
	}
	n.values, n.m.data, n.m.scoped, n.env.Data, n.env.Headers = nil, nil, nil, nil, nil // begin sets all else anew
	notes.Put(n)
}

// begin sends a notification and does not wait. lent says that the message's data are the sender's, which may reuse
// them when begin returns.
func begin(ctx context.Context, c *caller, m *message, opts []EnvelopeOption, lent bool) *Receipt {
	n := notes.Get().(*note)
	n.holders.Store(1)
	n.c, n.m, n.to, n.by, n.receipt = c, *m, m.to.address(), c.known.mapping.Load(), &Receipt{n: n}
	n.first, n.ttl, n.refusal, n.line, n.number, n.after, n.watcher = false, time.Time{}, nil, nil, 0, 0, nil
	if lent {
		n.room = append(n.room[:0], m.data...)
		n.m.data = n.room
	}
	n.env = Envelope{Delivery: m.delivery, Shard: int(m.to.under(n.by)), Kind: m.to.kind, Key: m.to.key, Type: m.typ}
	inside := turn.Inside(ctx)
	n.freeze(ctx, opts, inside)
	if inside {
		// The shard that gets it may end before this one. Or it is this turn's own shard, and is handed over only when the
		// turn has ended, and the turn may wait for the receipt.
		if dispatch.AtAnEnd(ctx) || dispatch.HandsOver(ctx, uint32(n.env.Shard)) {
			_, err := c.call(ctx, &n.env, &n.m, nil)
			return n.refused(err)
		}
		if err := awaitStored(ctx); err != nil {
			return n.refused(err)
		}
	}
	n.hasty = c.window.isHasty(inside)
	receipt, to := n.receipt, n.to
	t, err := c.window.enter(ctx, n)
	if err != nil {
		return n.refused(err)
	}
	switch { // from here on another goroutine may end n at any moment
	case t == posts:
		n.post(ctx)
	case t == alone && n.env.Delivery == transport.AwaitNothing:
		defer c.window.goOn(to, n.line, nil) // also where the application's code ends the goroutine
		n.alone(ctx)
	case t == alone:
		c.window.goOn(to, n.line, n)
	}
	return receipt
}

// refused ends a note that is not in the window.
func (n *note) refused(err error) *Receipt {
	_, err = n.c.conclude(nil, err, &n.env)
	n.release()
	return receiptOf(err)
}

// freeze applies the options to the note's envelope, and takes from ctx what its call hands on. After that the
// note needs neither. inside says whether ctx may be a turn's.
func (n *note) freeze(ctx context.Context, opts []EnvelopeOption, inside bool) {
	e := &n.c.envelopes
	if n.c.intercept != nil {
		n.values = dispatch.Detached(ctx)
	}
	if len(e.options)+len(n.m.scoped)+len(opts) == 0 && (!inside || len(dispatch.HeadersOf(ctx)) == 0) {
		return
	}
	var made Envelope
	e.draft(&made, &n.m, opts)
	e.handOn(ctx, &made)
	made.Headers = maps.Clone(made.Headers)
	if n.env.Delivery, n.env.ID = made.Delivery, made.ID; made.TTLMs > 0 {
		n.ttl = time.Now().Add(time.Duration(min(made.TTLMs, mostTTL.Milliseconds())) * time.Millisecond)
	}
	n.m.scoped = []EnvelopeOption{func(env *Envelope) {
		*env = made
		if !n.ttl.IsZero() {
			env.TTLMs = max(1, time.Until(n.ttl).Milliseconds())
		}
	}}
}

// mostTTL is longer than any note stays in a window.
const mostTTL = 24 * time.Hour

// mayBePosted reports whether the note can go out without waiting. A command cannot: the client sends it again even if it
// may have run, and the notes behind it would not wait for that.
func (n *note) mayBePosted() bool {
	c := n.c
	return c.poster != nil && n.by != nil && c.intercept == nil && n.env.Delivery == transport.AwaitAccept && n.env.ID == ""
}

// post sends the note and does not wait.
func (n *note) post(ctx context.Context) {
	c := n.c
	shard := n.m.to.under(n.by)
	if err := c.envelopes.newEnvelope(&n.env, &n.m, nil, shard, n.by); err != nil {
		n.Told(err)
		return
	}
	n.env.Retry = n.refusal != nil && outcome.Of(n.refusal) == NotStarted
	n.first = n.by.called.add(shard)
	n.holders.Add(1)
	if open, err := c.poster.Post(ctx, &n.env, dispatch.Order{Number: n.number, After: n.after}, n.until, n); !open {
		n.Told(err)
	}
	n.release()
}

// repost is post for a note that has waited in its line.
func (n *note) repost(ctx context.Context) {
	if err := n.late(); err != nil {
		n.told(err, false)
		return
	}
	if by := n.c.known.mapping.Load(); by != nil {
		n.by = by
	}
	n.post(ctx)
}

// Told hears what has become of a note that was posted ([dispatch.Poster]).
func (n *note) Told(err error) { n.told(err, err != nil && n.isRepeated(err)) }

// told is Told, and again says whether the note is to be sent again.
func (n *note) told(err error, again bool) {
	w, to, l := &n.c.window, n.to, n.line // n may be another goroutine's soon
	accepted := err == nil
	defer func() { // also where the metrics end the goroutine
		runs, ofTurns := w.told(n, accepted, again)
		if !again {
			n.receipt.end(err)
			n.release()
		}
		defer refuse(ofTurns)
		if runs {
			w.goOn(to, l, nil)
		}
	}()
	if again {
		n.refusal = err
	} else {
		err = n.line.tells(n, err)
		_, err = n.c.conclude(nil, err, &n.env)
	}
}

// isRepeated reports whether the note is to be sent again after an error.
func (n *note) isRepeated(err error) bool {
	r := &n.c.retries
	if n.m.waitsFor(err) {
		n.c.window.shrink(n.line)
	}
	if r.patience(err, n.first, &n.m) > 0 || n.c.known.outdated(n.by, err) {
		return true
	}
	what := outer(err) // a Request looks for another owner
	return outcome.Of(err).NeverRan() && (errors.Is(what, ErrOutOfOrder) || errors.Is(what, ErrTransportNoShardSubscriber))
}

// send sends the note as the first of its line, and waits for its acceptance.
func (n *note) send() {
	if err := n.late(); err != nil {
		n.over(err)
		return
	}
	values := n.values
	if values == nil {
		values = context.Background()
	}
	ctx, cancel := context.WithDeadline(fromLine{values, &n.c.window, n.line}, n.until)
	defer cancel()
	n.alone(ctx)
}

// errEnded is what the receipt tells if an Intercept, or other code of the application's, ends the goroutine.
var errEnded = outcome.Errorf(ErrPanicked, "the application's code has ended the goroutine of the call: runtime.Goexit")

// alone sends the note by itself, and ends it.
func (n *note) alone(ctx context.Context) {
	var err error = errEnded
	defer func() { n.over(err) }()
	if n.refusal != nil {
		err = n.again(ctx, n.refusal)
		return
	}
	n.m.first = true
	_, err = n.c.call(ctx, &n.env, &n.m, nil)
}

// again sends a note that was posted and refused.
func (n *note) again(ctx context.Context, err error) error {
	c := n.c
	n.env.Retry = outcome.Of(err) == NotStarted
	if !c.known.outdated(n.by, err) {
		if !n.m.waitsFor(err) { // otherwise a pause comes first
			_, err = c.try(ctx, n.env, &n.m)
		}
		if err != nil {
			_, err = c.tryAgain(ctx, &n.env, &n.m, n.by, err, n.first, false)
		}
	}
	if err != nil && c.known.outdated(n.by, err) {
		_, err = c.learnAndCall(ctx, &n.env, &n.m, nil)
	}
	return n.m.amended(err)
}

// late returns an error if the note's time is up.
func (n *note) late() error {
	switch now := time.Now(); {
	case !n.ttl.IsZero() && !now.Before(n.ttl):
		return errStood()
	case !now.Before(n.until):
		return waited(context.DeadlineExceeded, "in line behind others to its key")
	}
	return nil
}

// over ends a note that was not posted, or was refused.
func (n *note) over(err error) {
	err = n.line.tells(n, err)
	n.c.window.over(n, err == nil)
	n.end(err)
}

// end ends a note that has left the window.
func (n *note) end(err error) {
	defer func() { // also where the metrics end the goroutine
		n.receipt.end(err)
		n.release()
	}()
	_, err = n.c.conclude(nil, err, &n.env)
}

// compare compares the note's place in its line with another.
func (n *note) compare(place uint64) int { return cmp.Compare(n.place, place) }

// By implements [dispatch.Gathered].
func (n *note) By() dispatch.Gatherer { return &n.c.window }
