// The requests that wait, by id; reply subjects

package natstransport

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/peakmap"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// call is a request of this process that waits for its outcome.
type call struct {
	t      *Transport
	to     *route
	signal chan struct{} // cap 2; one signal. See dispatch.Wakes
	lends  bool          // the reply may be lent: its sender keeps nothing of it
	told   dispatch.Told // in place of signal: its sender has gone on
	order  dispatch.Order
	node   expiry.Node

	until, looks int64 // of a posted one: its end, and when the clock looks at it; 0 is none. Guarded by posted.mu

	// Guarded by calls.mu until taken, then the taker's until the signal.
	id      uint64 // 0 until sent
	left    bool   // the caller has gone before it was sent
	unknown uint64 // the question to the node whose answer has named it first; 0: none
	data    []byte
	err     *outcome.Error
	sent    bool // err has come over the wire, and is the call's alone
	last    bool // it is not used again
}

var signals = sync.Pool{New: func() any { return make(chan struct{}, 2) }}

// calls are the requests that wait, by id.
type calls struct {
	numbers atomic.Uint64 // of notifications

	mu     sync.Mutex
	last   uint64
	open   peakmap.Pages[call]
	looked int64  // when waiting has last looked at them
	before uint64 // last, at that moment
}

// register gives the envelopes of a batch their ids, one after the other, and returns
// the first. It takes out envelopes whose callers have gone, so they are never
// sent. It also returns how many calls wait for their outcome.
func (cs *calls) register(m *batch) (first uint64, open int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if slices.ContainsFunc(m.calls, hasLeft) {
		m.drop(hasLeft)
	}
	first = cs.last + 1
	for _, c := range m.calls {
		cs.last++
		if c != nil {
			c.id = cs.last
			cs.open.Set(c.id, c)
			c.to.To.vigil.awaited.Add(1)
			open++
		}
	}
	return first, open
}

func hasLeft(c *call) bool { return c != nil && c.left }

// take removes a call from the waiting calls. The code that gets the call decides it.
func (cs *calls) take(id uint64) *call {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.open.Get(id)
	cs.delete(c)
	return c
}

// takeRun is take for so many ids, from the first on. It appends the calls to all.
func (cs *calls) takeRun(first uint64, n int, all []*call) []*call {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for i := range uint64(n) {
		if c := cs.open.Get(first + i); c != nil {
			cs.delete(c)
			all = append(all, c)
		}
	}
	return all
}

// delete removes a call that waits; nil is none. It is called with mu held.
func (cs *calls) delete(c *call) {
	if c != nil {
		cs.open.Delete(c.id)
		c.to.To.vigil.awaited.Add(-1)
	}
}

// leave removes c for its caller. It returns false if the outcome is on its
// way. sent says whether the node may have the request, or may still get it.
func (cs *calls) leave(c *call) (ok, sent bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c.id == 0 {
		if c.left {
			return false, false
		}
		c.left = true
		return true, false
	}
	if cs.open.Get(c.id) != c {
		return false, true
	}
	cs.delete(c)
	return true, true
}

// waits reports whether a call was sent and has no outcome.
func (cs *calls) waits(c *call) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return c.id != 0 && cs.open.Get(c.id) == c
}

// takeIf removes all calls for which pick returns true.
func (cs *calls) takeIf(pick func(*call) bool) []*call {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var all []*call
	for _, c := range cs.open.All() {
		if pick(c) {
			cs.delete(c)
			all = append(all, c)
		}
	}
	return all
}

// heard notes that an answer of the call's node has come.
func (c *call) heard() {
	box := c.to.To
	box.vigil.heard.Add(1)
	if box.Gone.Load() {
		box.Gone.Store(false)
	}
}

// decideAll tells the callers of calls that were taken, and returns when all know. If a sender has gone on, telling it may run code
// of the application, such as its metrics, which may end the goroutine. The goroutine here must go on, because it watches over a
// connection, or sends.
func decideAll(calls []*call, why func(*call) *outcome.Error) {
	for _, c := range calls {
		if c.told == nil {
			c.decide(nil, why(c))
			continue
		}
		sparse.Apart(c.t.log, "telling the end of a notification", func() { c.decide(nil, why(c)) })
	}
}

// decide tells the caller; c must have been taken.
func (c *call) decide(data []byte, err *outcome.Error) {
	c.data, c.err = data, err
	if c.told != nil {
		c.tell(err)
		return
	}
	c.signal <- struct{}{}
}

// tell ends a call whose sender has gone on. It is called where nothing may wait, so an
// error that has come over the wire, which runs code of the application's, has a goroutine.
func (c *call) tell(err *outcome.Error) {
	c.last = true
	c.t.clock.Remove(&c.node)
	switch {
	case err == nil:
		c.told.Told(nil)
	case c.sent:
		go func() { // ends at once
			outcome.Resolve(err)
			c.told.Told(err)
		}()
	default:
		c.told.Told(err)
	}
}

// Expire ends a call whose node did not say in time that its time to live has
// ended. A clock calls it.
func (c *call) Expire() {
	leave := c.t.calls.leave
	if c.signal == nil {
		leave = c.t.posted.leave
	}
	ok, sent := leave(c)
	switch {
	case !ok:
	case sent:
		c.t.owners.Recheck(c.to)
		e := outcome.Errorf(outcome.ErrEnvelopeExpired, "no answer from the owner of shard %d", c.to.Shard)
		c.decide(nil, e.WithOutcome(outcome.MaybeRan))
	default:
		e := outcome.Errorf(outcome.ErrEnvelopeExpired, "the connection did not take the request in time")
		c.decide(nil, e.WithOutcome(outcome.NotSent))
	}
}

// refuse ends calls that were not sent.
func (cs *calls) refuse(calls []*call, why *outcome.Error) {
	var left []*call
	for _, c := range calls {
		if c == nil {
			continue
		}
		if ok, _ := cs.leave(c); ok {
			left = append(left, c)
		}
	}
	decideAll(left, func(*call) *outcome.Error { return why })
}

// fail decides the calls that a reply subject names, and returns how many
// notifications without an acknowledgement it names beside them.
func (cs *calls) fail(subject string, why func(*call) *outcome.Error) (unacked int) {
	to := wire.ParseReplySubject(subject)
	decideAll(cs.takeRun(to.First, to.N, nil), why)
	return to.Unacked
}

// lose decides every call that is on its way.
func (cs *calls) lose(why *outcome.Error) {
	decideAll(cs.takeIf(func(*call) bool { return true }), func(*call) *outcome.Error { return why })
}

// await waits for the outcome of a call that was posted. w is the wait that was begun with ctx; nil for none.
func (c *call) await(ctx context.Context, w *dispatch.Wait, env *transport.Envelope) ([]byte, error) {
	if env.TTLMs > 0 {
		// It wakes the caller soon after the time to live.
		c.t.clock.Add(&c.node, c, expiry.Plus(env.EndOfLife(), ttlGrace))
		defer c.t.clock.Remove(&c.node)
	}
	if dispatch.Wakes(w, c.signal) {
		<-c.signal
		if !dispatch.Woke(w, c.signal) {
			return c.outcome()
		}
	} else {
		select {
		case <-c.signal:
			return c.outcome()
		case <-ctx.Done():
		}
	}
	ok, sent := c.t.calls.leave(c)
	if !ok {
		<-c.signal // decided at the same moment
		return c.outcome()
	}
	if !sent {
		return nil, outcome.ContextError(ctx.Err(), outcome.NotSent)
	}
	c.to.To.cancel(c.id)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.t.owners.Recheck(c.to)
	}
	return nil, outcome.ContextError(ctx.Err(), outcome.MaybeRan)
}

func (c *call) outcome() ([]byte, error) {
	signals.Put(c.signal)
	if c.err != nil {
		if c.sent { // here, and not on the reader: it runs code of the application's
			outcome.Resolve(c.err)
		}
		return nil, c.err
	}
	return c.data, nil
}
