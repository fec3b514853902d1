// Asking nodes for owners, and hearing of new ones

package natstransport

import (
	"context"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
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

// asking is a question to the nodes that is open. The transport's clock has it asked again, and
// ends it.
type asking struct {
	t     *Transport
	node  expiry.Node
	round uint64
	done  chan struct{} // closed at its end

	// Guarded by owners.mu.
	news  chan struct{} // closed, and made anew, with each answer
	ends  int64
	heard bool   // a node with a fixed list has answered
	next  uint32 // the first shard that it asks for
}

// ask asks the nodes for owners. It returns a route of the shard as soon as there is one that is not the
// given one. It returns nil if the nodes have answered and named no other owner, if no node
// has answered in time, or when the time of env is over. All calls that ask at the same moment
// share a question. A call that has news asks even if there was an answer just now.
func (t *Transport) ask(ctx context.Context, env *transport.Envelope, not *route, news bool) *route {
	if env.TTLMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, env.TTL())
		defer cancel()
	}
	o, shard := &t.owners, uint32(env.Shard)
	found := func() *route {
		if r := o.routes.Get(shard); r != not {
			return r
		}
		return nil
	}
	o.mu.Lock()
	before := o.rounds
	o.mu.Unlock()
	for {
		q, wait := t.open(news)
		if q != nil {
			if r := q.await(ctx, found); r != nil {
				return r
			}
		}
		// A node with a fixed list announces itself, and not its shards. So only a question that was
		// asked after the call began has found all nodes that the call may reach.
		switch {
		case ctx.Err() != nil, o.state.Load() != fixed, q == nil && wait == 0, q != nil && q.round > before:
			return found()
		}
		news = true
		if q == nil {
			pause(ctx, wait)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// await returns a route as soon as found has one, or nil at the end of the question, or of ctx.
func (q *asking) await(ctx context.Context, found func() *route) *route {
	for {
		q.t.owners.mu.Lock()
		news := q.news
		q.t.owners.mu.Unlock()
		if r := found(); r != nil {
			return r
		}
		select {
		case <-news:
		case <-q.done:
			return found()
		case <-ctx.Done():
			return nil
		}
	}
}

// put asks, and has it done again after a while. It is called with owners.mu held.
func (q *asking) put() {
	if !q.heard {
		q.t.flusher.Go(question{q.t, q.next})
	}
	q.t.clock.Add(&q.node, q, min(expiry.Now()+int64(askAgain), q.ends))
}

// Expire implements [expiry.Expirer].
func (q *asking) Expire() {
	o := &q.t.owners
	o.mu.Lock()
	open, over := o.question == q, expiry.Now() >= q.ends
	if open && !over {
		q.put()
	}
	if open && over && q.heard {
		o.surveyed = true
		for node, box := range o.boxes {
			box.fixed = box.fixed && (box.round == q.round || box.since >= q.round) // the others may have gone
			if !box.fixed && box.routes == 0 && box.quiet() {
				delete(o.boxes, node)
			}
		}
	}
	o.mu.Unlock()
	if open && over {
		o.state.CompareAndSwap(unasked, silent) // a shard without an owner has it asked again
		o.settle(q, 0)
	}
}

// open returns the question that is open, a new one if there is none, or nil if
// this is not the time for one. wait then says how long it is until that time; 0 if that is long.
func (t *Transport) open(news bool) (q *asking, wait time.Duration) {
	o := &t.owners
	now := expiry.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.question != nil:
		return o.question, 0
	case o.stopped || now < o.barred:
		return nil, 0
	case now < o.quiet && !news:
		return nil, time.Duration(o.quiet - now)
	}
	if !o.hearing {
		o.hearing = true
		t.flusher.Go(listening{t})
	}
	o.rounds++
	o.question = &asking{t: t, round: o.rounds, done: make(chan struct{}), news: make(chan struct{}), ends: now + int64(askTimeout)}
	o.question.put()
	return o.question, 0
}

// recheck asks in the background, because an owner does not answer. The shard may have another
// owner by now, and its announcement was lost. Or a false announcement has named an owner that does
// not exist. Then the route is in doubt. The server does not always say that no node
// listens: any client may listen to all subjects.
func (t *Transport) recheck(r *route) {
	o := &t.owners
	if o.state.Load() != living {
		return
	}
	if !r.told() && r.doubted() {
		t.open(true)
		return
	}
	o.mu.Lock()
	late := expiry.Now() > o.answered+int64(askTimeout)
	o.mu.Unlock()
	if late {
		t.open(false)
	}
}

// settle closes a question; nil is the one that is open. The next waits a while.
func (o *owners) settle(q *asking, pause time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.quiet = expiry.Now() + int64(pause)
	if o.question != nil && (q == nil || o.question == q) {
		close(o.question.done)
		o.question = nil
	}
}

// stop ends the question that is open, and asks no more.
func (o *owners) stop() {
	o.settle(nil, 0)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
}

// question is a task of the flusher: it asks for the owners of the shards from
// first on.
type question struct {
	t     *Transport
	first uint32
}

// Run implements pool.Task.
func (q question) Run(pool.Slot) {
	ask := wire.AppendOwners(nil, &wire.Owners{First: q.first})
	if err := q.t.nc.Load().PublishRequest(q.t.opts.Prefix+".who", q.t.who, ask); err != nil {
		q.t.owners.settle(nil, 0)
	}
}

// forbidden is called if the server does not permit a part of this, and logs what follows. A
// connection that may not ask knows at once that no node will answer.
func (t *Transport) forbidden(text string, err error) {
	t.hearing.deny(text, err)
	switch who, own := `"`+t.opts.Prefix+`.who"`, `"`+t.opts.Prefix+`.own"`; {
	case strings.Contains(text, "Publish to "+who):
		t.log.Error("not permitted to ask for the owners of shards: no node can be reached", "error", err)
		t.owners.state.CompareAndSwap(unasked, fixed)
		t.owners.mu.Lock()
		t.owners.barred, t.owners.denied = expiry.Now()+int64(deniedPause), err
		t.owners.mu.Unlock()
		t.owners.settle(nil, 0)
	case strings.Contains(text, "Subscription to "+own):
		t.log.Error("not permitted to hear of new owners: a new owner is found when the old one refuses", "error", err)
	case strings.Contains(text, "Publish to ") && strings.Contains(text, turnsToken+`"`):
		t.denyTurns(err) // the dispatcher says what that means
	case strings.Contains(text, "Subscription to ") && strings.Contains(text, turnsToken+`"`):
		t.log.Error("not permitted to hear what other nodes ask about turns: chains of requests that cross wait until their deadlines", "error", err)
	case strings.Contains(text, "Publish to "+own):
		t.log.Warn("not permitted to announce new owners: clients find a new owner when the old one refuses", "error", err)
	}
}
