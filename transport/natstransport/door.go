// The door: how this end hears requests for all its shards, and questions about them

package natstransport

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
)

// door is what this end subscribes to when it serves its first shard: the subject of the node, for
// the requests of all shards, and with a fixed list also the subject of questions. Both subscriptions stay
// until the transport is closed.
type door struct {
	turn        chan struct{} // cap 1: held while the door is opened
	node, who   *ear          // guarded by t.mu
	open, fixed atomic.Bool   // the server has taken node; who
	denied      error         // the server's refusal; guarded by t.mu
	look        look
}

// newNode draws the token of this end's subject.
func newNode() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// openDoor returns when requests reach this end. If fixed is true, clients must be able to ask for its
// fixed list too.
func (t *Transport) openDoor(ctx context.Context, fixed bool) error {
	d := &t.door
	isOpen := func() bool { return d.open.Load() && (!fixed || d.fixed.Load()) }
	t.mu.Lock()
	refused := cmp.Or(t.again.refused(d.node), t.again.refused(d.who))
	t.mu.Unlock()
	switch {
	case refused != nil:
		return refused
	case isOpen() && t.up.Load():
		return nil
	case isOpen():
		return t.flush(ctx) // it waits for the connection
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return outcome.ContextError(ctx.Err(), outcome.NotSent)
	}
	if isOpen() {
		return nil
	}
	before := t.refusals()
	if err := t.hang(fixed); err != nil {
		return notSent(err)
	}
	if err := t.subscribed(ctx, before, &d.denied); err != nil {
		t.unhang()
		return err
	}
	d.open.Store(true)
	if fixed && !d.fixed.Swap(true) {
		t.clock.Add(&d.look.node, &d.look, expiry.Now()+int64(askAgain))
	}
	return nil
}

// hang subscribes what is not subscribed yet.
func (t *Transport) hang(fixed bool) (err error) {
	d := &t.door
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return outcome.Errorf(outcome.ErrTransportClosed, "node %s", t.node)
	}
	d.denied = nil
	if err = t.hearTurns(); err == nil && d.node == nil {
		d.node, err = t.hear(t.requestsAt, "")
	}
	if err == nil && fixed && d.who == nil {
		if d.who, err = t.hear(t.opts.Prefix+".who", ""); err == nil {
			// Clients hear of this end before its first shard is served. So their next question waits
			// for its answer.
			err = t.nc.Load().Publish(t.opts.Prefix+".own", wire.AppendOwners(nil, &wire.Owners{Node: t.node}))
		}
	}
	return err
}

// unhang takes back what the server has not taken.
func (t *Transport) unhang() {
	d := &t.door
	t.mu.Lock()
	defer t.mu.Unlock()
	d.denied = nil
	if !d.fixed.Load() && d.who != nil {
		d.who.stop()
		d.who = nil
	}
	if !d.open.Load() && d.node != nil {
		d.node.stop()
		d.node = nil
	}
}

// look is a question that this end asks a while after it has begun to serve a fixed list: it
// hears then of another node with the same shards.
type look struct {
	t    *Transport
	node expiry.Node
}

// Expire implements [expiry.Expirer].
func (l *look) Expire() { l.t.open(true) }

// shut takes the server's interest back, and returns when the last message has been accepted.
func (t *Transport) shut() {
	t.mu.Lock()
	ears := slices.DeleteFunc([]*ear{t.door.node, t.door.who}, func(e *ear) bool { return e == nil })
	t.mu.Unlock()
	drained := ears[:0]
	for _, e := range ears {
		if e.drain() {
			drained = append(drained, e)
		}
	}
	if len(drained) == 0 {
		return
	}
	if t.flush(context.Background()) != nil { // the connection went away meanwhile
		for _, e := range drained {
			e.silence()
		}
	}
	t.readUpToHere()
}
