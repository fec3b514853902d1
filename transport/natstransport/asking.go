// Asking nodes for owners, and hearing of new ones

package natstransport

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/transport"
)

const (
	// askTimeout is how long the transport waits for an answer of the nodes.
	askTimeout = time.Second
	// askAgain is the time after which a question is asked again: the node that it reached
	// may have died, or stand still.
	askAgain = 100 * time.Millisecond
	// askPause is how long an answer is new enough for other calls that have found the same
	// owner gone: however many there are, the nodes are asked no more often.
	askPause = 10 * time.Millisecond
	// deniedPause is how long no node is asked once the server has said that we may not
	// ask.
	deniedPause = 30 * time.Second
	// survey is how long the first question waits for nodes with fixed lists. Later
	// questions know the nodes, and wait until each of them has answered.
	survey = 500 * time.Millisecond
)

// What is known of a cluster's owners.
const (
	unasked int32 = iota
	fixed         // lists of shards are fixed, or there is no node
	silent        // no node has answered in time: the nodes may be too busy
	living        // nodes come and go
)

// asker asks nodes for owners.
type asker struct {
	t     *Transport
	state atomic.Int32

	// Guarded by owners.mu.
	question *asking // nil while none is open
	rounds   uint64  // questions so far
	surveyed bool    // one of them has waited for every node with a fixed list
	answered int64   // moment of the last whole answer
	count    uint32  // of the shards, by the last answer that said one
	counted  int64   // its moment
	quiet    int64   // no question is sent again before this moment
	barred   int64   // no question is sent at all before this moment
	denied   error   // because of this
	hearing  bool
	stopped  bool
}

// numShards is how many shards the nodes have said a moment ago that there are; 0 if they
// have not.
func (a *asker) numShards() uint32 {
	o := &a.t.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	if expiry.Now() > a.counted+int64(askTimeout) {
		return 0 // it may be another cluster by now
	}
	return a.count
}

// mayNotAsk returns why no node may be asked; nil if one may.
func (a *asker) mayNotAsk() error {
	o := &a.t.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	if expiry.Now() < a.barred {
		return a.denied
	}
	return nil
}

// ask asks the nodes for owners. It returns a route of the shard as soon as there is one that is not the
// given one. It returns nil if the nodes have answered and named no other owner, if no node
// has answered in time, or when the time of env is over. All calls that ask at the same moment
// share a question. A call that has news asks even if there was an answer just now.
func (a *asker) ask(ctx context.Context, env *transport.Envelope, not *route, news bool) *route {
	if env.TTLMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, env.TTL())
		defer cancel()
	}
	o, shard := &a.t.owners, uint32(env.Shard)
	found := func() *route {
		if r := o.routes.Get(shard); r != not {
			return r
		}
		return nil
	}
	o.mu.Lock()
	before := a.rounds
	o.mu.Unlock()
	for {
		q, wait := a.open(news)
		if q != nil {
			if r := q.await(ctx, found); r != nil {
				return r
			}
		}
		// A node with a fixed list announces itself, and not its shards. So only a question that was
		// asked after the call began has found all nodes that the call may reach.
		switch {
		case ctx.Err() != nil, a.state.Load() != fixed, q == nil && wait == 0, q != nil && q.round > before:
			return found()
		}
		news = true
		if q == nil {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
	}
}

// open returns the question that is open, a new one if there is none, or nil if
// this is not the time for one. wait then says how long it is until that time; 0 if that is long.
func (a *asker) open(news bool) (q *asking, wait time.Duration) {
	t, o := a.t, &a.t.owners
	now := expiry.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case a.question != nil:
		return a.question, 0
	case a.stopped || now < a.barred:
		return nil, 0
	case now < a.quiet && !news:
		return nil, time.Duration(a.quiet - now)
	}
	if !a.hearing {
		a.hearing = true
		t.flusher.Go(task(a.hear))
	}
	a.rounds++
	a.question = &asking{t: t, round: a.rounds, done: make(chan struct{}), news: make(chan struct{}), ends: now + int64(askTimeout)}
	a.question.put()
	return a.question, 0
}

// recheck asks in the background, because an owner does not answer. The shard may have another
// owner by now, and its announcement was lost. Or a false announcement has named an owner that does
// not exist. Then the route is in doubt. The server does not always say that no node
// listens: any client may listen to all subjects.
func (a *asker) recheck(r *route) {
	o := &a.t.owners
	if a.state.Load() != living {
		return
	}
	if !r.told.Load() && r.doubted() {
		a.open(true)
		return
	}
	o.mu.Lock()
	late := expiry.Now() > a.answered+int64(askTimeout)
	o.mu.Unlock()
	if late {
		a.open(false)
	}
}

// settle closes a question; nil is the one that is open. The next waits a while.
func (a *asker) settle(q *asking, pause time.Duration) {
	o := &a.t.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	a.quiet = expiry.Now() + int64(pause)
	if a.question != nil && (q == nil || a.question == q) {
		close(a.question.done)
		a.question = nil
	}
}

// stop ends the question that is open, and asks no more.
func (a *asker) stop() {
	a.settle(nil, 0)
	o := &a.t.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	a.stopped = true
}
