// Whether a node that calls wait for still lives

package natstransport

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// aliveAt is the type of a request that any node answers at once, before any handler. lost.go says what is in it.
const aliveAt = "clstr.alive"

// While calls wait for a node, each pulse looks at it. If nothing has come from the node for askAfter pulses, it is
// asked. If nobody listens there, the node has died, or has handed over and gone. Its calls end one pulse later,
// because answers of a node that has handed over may still come over other servers. If the node stays silent
// for giveUpAfter pulses, it has died with its machine, or stands still. A pulse at which this end has not read all that
// had come at the pulse before does not count. A node with calls that wait for long is asked too, even if it is not silent.
const (
	pulse       = 300 * time.Millisecond
	askAfter    = 3
	giveUpAfter = 10
)

// vigil watches over one node. It counts pulses and not time: a process that stands still itself learns
// nothing of others meanwhile.
type vigil struct {
	box     *nodeBox
	on      atomic.Bool          // it is on the clock
	awaited atomic.Int64         // calls that wait for an answer, questions included
	heard   atomic.Uint64        // answers
	gone    atomic.Uint64        // the id of a question that found no listener; 0: none
	asks    atomic.Pointer[call] // the newest question that is on its way

	// The clock's.
	node   expiry.Node
	last   uint64 // heard, at the last pulse
	unread uint64 // what link.Heard is once all that had come by the last pulse is read
	silent int    // for how many pulses nothing has come
	asking int    // for how many pulses the newest question is on its way

	waits []byte // the ids of calls that were looked at; guarded by calls.mu
}

// begin is called when calls have been sent.
func (v *vigil) begin() {
	if !v.on.Load() && v.on.CompareAndSwap(false, true) {
		v.beat()
	}
}

func (v *vigil) beat() { v.box.t.clock.Add(&v.node, v, expiry.Now()+int64(pulse)) }

// Expire implements [expiry.Expirer]: it is a pulse.
func (v *vigil) Expire() {
	t := v.box.t
	heard, gone := v.heard.Load(), v.gone.Swap(0)
	waits := uint64(len(t.link.In))
	came, _ := t.link.Heard() // behind waits
	switch {
	case heard != v.last:
		v.last, v.silent, gone = heard, 0, 0
	case came >= v.unread: // else what the node has said may wait to be read
		v.silent++
	}
	v.unread = came + waits
	if c := v.asks.Load(); c == nil {
		v.asking = 0
	} else if v.asking++; v.asking > giveUpAfter && v.silent < askAfter { // it was lost
		for ; c != nil; c = c.told.(vital).before {
			t.calls.leave(c)
		}
		v.asks.Store(nil)
	}
	named := t.calls.waiting(v)
	if len(named) > 0 && !t.link.Settled() {
		named = nil
	}
	switch {
	case t.link.Closed():
		return
	case gone > 0:
		v.end(gone, "has gone: nobody listens there any more")
	case v.silent >= giveUpAfter && !v.asked():
		v.silent = askAfter // our own connection takes nothing: that says nothing of the node
	case v.silent >= giveUpAfter:
		v.end(0, "is silent: it has died with its machine, or stands still")
	case v.silent >= askAfter || len(named) > 0:
		v.ask(named)
	}
	if v.awaited.Load() > 0 {
		v.beat()
		return
	}
	v.silent = 0
	v.on.Store(false)
	if v.awaited.Load() > 0 { // since then
		v.begin()
	}
}

// ask asks the node, and names calls, if no question is on its way. A silent node is asked anew, because the question or its
// answer may have been lost. Those before stay open: the answer of a node that is slow to read is a sign of life too.
func (v *vigil) ask(named []byte) {
	before := v.asks.Load()
	if before != nil && (v.silent < askAfter || v.asking < askAfter) {
		return
	}
	t, to := v.box.t, &route{To: v.box} // of any shard
	c := &call{t: t, to: to}
	c.told = vital{v, c, before}
	if !v.asks.CompareAndSwap(before, c) {
		return
	}
	if v.asking = 0; before != nil {
		named = nil // both may be answered at one moment: that is one look at the node's calls, not two
	}
	now, cancel := context.WithCancel(context.Background())
	cancel() // there is no waiting for room: the next pulse asks again
	env := transport.Envelope{Type: aliveAt, Data: named[:min(len(named), t.limit()/2)]}
	if to.To.post(now, to, &env, c) != nil {
		v.asks.Store(before)
		if !v.asked() {
			v.asks.Store(nil)
		}
	}
}

// asked reports whether a question has left, and has no answer.
func (v *vigil) asked() bool {
	c := v.asks.Load()
	return c != nil && v.box.t.calls.waits(c)
}

// vital is a question to a node whether it lives.
type vital struct {
	v      *vigil
	c      *call
	before *call // the question before it, which had no answer then; or nil
}

// Told implements [dispatch.Told].
func (q vital) Told(err error) {
	if errors.Is(err, outcome.ErrTransportNoShardSubscriber) {
		q.v.gone.Store(q.c.id)
	}
	q.v.asks.CompareAndSwap(q.c, nil)
	for b := q.before; b != nil; b = b.told.(vital).before { // answers come in order: what has none by now was lost
		q.c.t.calls.leave(b)
	}
	if err == nil {
		decideAll(q.c.t.calls.lost(q.v.box, q.c.id, q.c.data), func(c *call) *outcome.Error {
			return outcome.Errorf(outcome.ErrConnectionLost, "the request for shard %d or its reply was lost: the node does not know the call", c.to.Shard).WithOutcome(outcome.MaybeRan)
		})
	}
}

// end ends the calls that were sent to the node, up to an id; 0: all of them. They may have run. Calls that wait to be
// sent do not end.
func (v *vigil) end(upTo uint64, why string) {
	b := v.box
	ended := b.t.calls.takeIf(func(c *call) bool { return c.to.To == b && (upTo == 0 || c.id <= upTo) })
	decideAll(ended, func(c *call) *outcome.Error {
		b.t.owners.Recheck(c.to)
		return outcome.Errorf(outcome.ErrConnectionLost, "the node that served shard %d %s", c.to.Shard, why).WithOutcome(outcome.MaybeRan)
	})
	v.silent = 0
}
