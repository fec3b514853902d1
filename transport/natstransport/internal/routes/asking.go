// Asking nodes for owners, and hearing of new ones

package routes

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

const (
	// Timeout is how long the transport waits for an answer of the nodes.
	Timeout = time.Second
	// Again is the time after which a question is asked again: the node that it reached
	// may have died, or stand still.
	Again = 100 * time.Millisecond
	// Pause is how long an answer is new enough for other calls that have found the same
	// owner gone: however many there are, the nodes are asked no more often.
	Pause = 10 * time.Millisecond
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
type asker[B Box] struct {
	rs    *Routes[B]
	state atomic.Int32

	// Guarded by Routes.mu.
	question *question[B] // nil while none is open
	rounds   uint64       // questions so far
	surveyed bool         // one of them has waited for every node with a fixed list
	answered int64        // moment of the last whole answer
	count    uint32       // of the shards, by the last answer that said one
	counted  int64        // its moment
	quiet    int64        // no question is sent again before this moment
	barred   int64        // no question is sent at all before this moment
	denied   error        // because of this
	hearing  bool
	stopped  bool
}

// NumShards is how many shards the nodes have said a moment ago that there are; 0 if they
// have not.
func (a *asker[B]) NumShards() uint32 {
	a.rs.mu.Lock()
	defer a.rs.mu.Unlock()
	if expiry.Now() > a.counted+int64(Timeout) {
		return 0 // it may be another cluster by now
	}
	return a.count
}

// MayMove reports whether nodes come and go, or may do so.
func (a *asker[B]) MayMove() bool {
	state := a.state.Load()
	return state == living || state == silent
}

// Denied returns why no node may be asked; nil if one may.
func (a *asker[B]) Denied() error {
	a.rs.mu.Lock()
	defer a.rs.mu.Unlock()
	if expiry.Now() < a.barred {
		return a.denied
	}
	return nil
}

// Deny is called when the server does not permit questions.
func (a *asker[B]) Deny(why error) {
	a.nobody()
	a.rs.mu.Lock()
	a.barred, a.denied = expiry.Now()+int64(deniedPause), why
	a.rs.mu.Unlock()
	a.Settle()
}

// Ask asks the nodes for owners. It returns a route of the shard as soon as there is one that is not the
// given one. It returns nil if the nodes have answered and named no other owner, if no node
// has answered in time, or with ctx. All calls that ask at the same moment
// share a question. A call that has news asks even if there was an answer just now.
func (a *asker[B]) Ask(ctx context.Context, shard uint32, not *Route[B], news bool) *Route[B] {
	found := func() *Route[B] {
		if r := a.rs.Get(shard); r != not {
			return r
		}
		return nil
	}
	a.rs.mu.Lock()
	before := a.rounds
	a.rs.mu.Unlock()
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

// Open asks in the background.
func (a *asker[B]) Open(news bool) { a.open(news) }

// open returns the question that is open, a new one if there is none, or nil if
// this is not the time for one. wait then says how long it is until that time; 0 if that is long.
func (a *asker[B]) open(news bool) (q *question[B], wait time.Duration) {
	rs := a.rs
	now := expiry.Now()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	switch {
	case a.question != nil:
		return a.question, 0
	case a.stopped || now < a.barred:
		return nil, 0
	case now < a.quiet && !news:
		return nil, time.Duration(a.quiet - now)
	}
	if !a.hearing { // before the first question goes out, so that a node that begins after it is heard
		a.hearing = true
		rs.end.Hear()
	}
	a.rounds++
	a.question = &question[B]{rs: rs, round: a.rounds, done: make(chan struct{}), news: make(chan struct{}), ends: now + int64(Timeout)}
	a.question.put()
	return a.question, 0
}

// Deaf is called when announcements are not heard: the next question tries again.
func (a *asker[B]) Deaf() {
	a.rs.mu.Lock()
	defer a.rs.mu.Unlock()
	a.hearing = false
}

// Recheck asks in the background, because an owner does not answer. The shard may have another
// owner by now, and its announcement was lost. Or a false announcement has named an owner that does
// not exist. Then the route is in doubt. The server does not always say that no node
// listens: any client may listen to all subjects. Or the answer of a node has named such an owner. The owner's node counts as
// gone until it answers something. Meanwhile the next word of another node replaces the route, whatever its epoch.
func (a *asker[B]) Recheck(r *Route[B]) {
	if a.state.Load() != living {
		return
	}
	r.To.Known().Gone.Store(true)
	if !r.Told() && r.Doubted() {
		a.open(true)
		return
	}
	a.rs.mu.Lock()
	late := expiry.Now() > a.answered+int64(Timeout)
	a.rs.mu.Unlock()
	if late {
		a.open(false)
	}
}

// Settle closes the question that is open. The next need not wait.
func (a *asker[B]) Settle() { a.settle(nil, 0) }

// settle closes a question; nil is the one that is open. The next waits a while.
func (a *asker[B]) settle(q *question[B], pause time.Duration) {
	a.rs.mu.Lock()
	defer a.rs.mu.Unlock()
	a.quiet = expiry.Now() + int64(pause)
	if a.question != nil && (q == nil || a.question == q) {
		close(a.question.done)
		a.question = nil
	}
}

// Stop ends the question that is open, and asks no more.
func (a *asker[B]) Stop() {
	a.Settle()
	a.rs.mu.Lock()
	defer a.rs.mu.Unlock()
	a.stopped = true
}

// Age makes the last answer an old one: whatever comes next asks.
func (a *asker[B]) Age() {
	a.rs.mu.Lock()
	defer a.rs.mu.Unlock()
	a.quiet, a.answered = 0, -1<<62
}
