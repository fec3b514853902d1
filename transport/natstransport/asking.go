// Asking nodes for owners, and hearing of new ones

package natstransport

import (
	"context"
	"strings"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

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
)

// asking is a question to the nodes that is open. The transport's clock has it asked again, and
// ends it.
type asking struct {
	t    *Transport
	node expiry.Node
	done chan struct{} // closed with the answer
	ends int64
	next uint32 // the first shard that it asks for; guarded by owners.mu
}

// ask asks the nodes for all owners. It returns when they have answered, or when no node
// has answered in time, or when the time of env is over. All calls that ask at the same moment
// share a question. A call that has news asks even if there was an answer just now.
func (t *Transport) ask(ctx context.Context, env *transport.Envelope, news bool) {
	q := t.open(news)
	if q == nil {
		return
	}
	if env.TTLMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, env.TTL())
		defer cancel()
	}
	select {
	case <-q.done:
	case <-ctx.Done():
	}
}

// put asks, and has it done again after a while. It is called with owners.mu held.
func (q *asking) put() {
	q.t.flusher.Go(question{q.t, q.next})
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
	o.mu.Unlock()
	if open && over {
		o.state.CompareAndSwap(unasked, silent) // a shard without an owner has it asked again
		o.settle(q, 0)
	}
}

// open returns the question that is open, a new one if there is none, or nil if
// this is not the time for one.
func (t *Transport) open(news bool) *asking {
	o := &t.owners
	now := expiry.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.question != nil {
		return o.question
	}
	if o.stopped || now < o.barred || now < o.quiet && !news {
		return nil
	}
	o.question = &asking{t: t, done: make(chan struct{}), ends: now + int64(askTimeout)}
	o.question.put()
	return o.question
}

// recheck asks in the background, because an owner does not answer. The shard may have another
// owner by now, and the announcement was lost. Or a false announcement has named an owner that does
// not exist: its epoch is then in doubt. If any client listens to all subjects, the
// server does not say that no node serves an epoch.
func (t *Transport) recheck(box *shardBox) {
	o := &t.owners
	if o.state.Load() != living {
		return
	}
	if box.epoch > o.answeredOf(box.shard) && o.doubt(box.shard, box.epoch) {
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

// stopOwners ends the questions and answers that are under way.
func (t *Transport) stopOwners() {
	t.mu.Lock()
	for sub := range t.asked {
		_ = sub.Unsubscribe()
	}
	clear(t.asked)
	t.mu.Unlock()
	t.owners.settle(nil, 0)
	t.owners.mu.Lock()
	defer t.owners.mu.Unlock()
	t.owners.stopped = true
	if t.owners.hints != nil {
		_ = t.owners.hints.Unsubscribe()
	}
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
	if err := q.t.nc.PublishRequest(q.t.opts.Prefix+".who", q.t.who, ask); err != nil {
		q.t.owners.settle(nil, 0)
	}
}

// answer takes the answer to a question, or the server's word that no node listens. Only
// the reader calls it.
func (t *Transport) answer(m *nats.Msg) {
	o := &t.owners
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		if !o.state.CompareAndSwap(unasked, fixed) {
			o.state.CompareAndSwap(silent, fixed)
		}
		o.settle(nil, askPause)
		return
	}
	told, err := wire.DecodeOwners(m.Data)
	if err == nil && (told.NumShards == 0 || told.NumShards > maxShards) {
		err = outcome.Errorf(outcome.ErrBadEnvelope, "owners: %d shards: 1 to %d allowed", told.NumShards, maxShards)
	}
	if err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("answer about owners is ignored", "error", err)
		o.settle(nil, askPause)
		return
	}
	o.state.Store(living)
	for _, shard := range o.learn(&told, true) {
		t.reroute(shard)
	}
	t.hear()
	if next := uint64(told.First) + uint64(len(told.Epochs)); len(told.Epochs) > 0 && next < uint64(told.NumShards) {
		if o.advance(told.First, uint32(next)) {
			t.flusher.Go(question{t, uint32(next)})
		}
		return
	}
	o.mu.Lock()
	o.answered = expiry.Now()
	o.mu.Unlock()
	o.settle(nil, askPause)
}

// advance notes that the open question goes on from next. It returns false for an
// answer that does not fit the question: a repeated one, or one of a node that
// always tells of the same shards and would be asked for ever.
func (o *owners) advance(first, next uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := o.question
	if q == nil || first != q.next {
		return false
	}
	q.next = next
	return true
}

// hear begins to listen to announcements, once.
func (t *Transport) hear() {
	o := &t.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.hearing && !o.stopped {
		o.hearing = true
		t.flusher.Go(listening{t})
	}
}

// listening is a task of the flusher: it subscribes to announcements.
type listening struct{ t *Transport }

// Run implements pool.Task.
func (l listening) Run(pool.Slot) {
	o := &l.t.owners
	sub, err := l.t.nc.ChanSubscribe(l.t.opts.Prefix+".own", l.t.in)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.hearing = false // the next answer tries again
	case o.stopped:
		_ = sub.Unsubscribe()
	default:
		o.hints = sub
	}
}

func (o *owners) hears(sub *nats.Subscription) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return sub == o.hints
}

// announced takes the announcement of a new owner. Only the reader calls it.
func (t *Transport) announced(m *nats.Msg) {
	told, err := wire.DecodeOwners(m.Data)
	if err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("announcement of an owner is ignored: it does not decode", "error", err)
		return
	}
	for _, shard := range t.owners.learn(&told, false) {
		t.reroute(shard)
	}
}

// forbidden is called if the server does not permit a part of this, and logs what follows. A
// connection that may not ask knows at once that no node will answer.
func (t *Transport) forbidden(text string, err error) {
	t.hearing.deny(text, err)
	switch who, own := `"`+t.opts.Prefix+`.who"`, `"`+t.opts.Prefix+`.own"`; {
	case strings.Contains(text, "Publish to "+who):
		t.log.Error("not permitted to ask for the owners of shards: only nodes with a fixed list of shards can be reached", "error", err)
		t.owners.state.CompareAndSwap(unasked, fixed)
		t.owners.mu.Lock()
		t.owners.barred = expiry.Now() + int64(deniedPause)
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
