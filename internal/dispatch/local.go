// Calls whose sender waits in this process

package dispatch

import (
	"context"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// local is a call whose sender waits in this process.
type local struct {
	Call
	cargo cargo
	wait  chan struct{} // cap 2; one signal at most, and none unless bitWaits is set before bitTold. See [Wakes]
	data  []byte
	room  room
}

// newLocal makes a call for env. The sender waits until the deadline; 0 is for ever. The memory may be that of a call that is over.
func newLocal(d *Dispatcher, env *transport.Envelope, deadline int64) *local {
	var l *local
	if c := d.spare.get(); c != nil {
		l = c.replier.(*local)
	} else {
		l = &local{}
		l.home = &d.spare
	}
	l.env, l.replier = *env, l
	l.env.ReplyTo = ""
	bound(&l.env, deadline != 0)
	l.begins(deadline)
	return l
}

// stamp is for envelopes of our clients, which leave it to the transport to stamp a notification without an end.
func (l *local) stamp() {
	if l.env.CreatedAtMs == 0 {
		l.env.Stamp()
	}
}

// ended ends the wait for a call, and returns what the call has ended with. err is that of await.
func (l *local) ended(ctx context.Context, w Wait, err error) ([]byte, error) {
	w.EndWait(ctx)
	if err != nil {
		return nil, err
	}
	return l.answer()
}

// answer returns what a call has ended with, when its sender has been told.
func (l *local) answer() ([]byte, error) {
	if err := l.refused(); err != nil {
		return nil, err
	}
	return l.data, nil
}

// Reuse implements [Reuser].
func (l *local) Reuse() {
	l.cargo.message.Free()
	l.cargo, l.data = cargo{}, nil
}

// Reply implements [Replier].
func (l *local) Reply(c *Call, data []byte, _ *outcome.Error) {
	if !c.has(bitOwned) {
		data = l.room.copy(data) // the handler's slice stays the handler's, an empty one too: it has room behind its end
	}
	l.data = data
	if c.bits.Or(bitTold)&bitWaits != 0 {
		l.wait <- struct{}{}
	}
}

// told reports whether the answer is there. If not, await must be called.
func (l *local) told() bool {
	if l.has(bitTold) {
		return true
	}
	if l.wait == nil {
		if w, ok := l.sub.d.waits.Get().(chan struct{}); ok {
			l.wait = w
		} else {
			l.wait = make(chan struct{}, 2)
		}
	}
	return l.bits.Or(bitWaits)&bitTold != 0
}

// await returns nil when the reply is there. It is what a waiting caller stands in, so it begins w for a notification,
// which had none before.
func (l *local) await(ctx context.Context, w *Wait) error {
	if w != nil && !l.AwaitsReply() { // a late acknowledgement: what that waits for may need the handler's slot
		w.begin(ctx)
	}
	if Wakes(w, l.wait) {
		<-l.wait
		if !Woke(w, l.wait) {
			return nil
		}
		return l.left(ctx) // both may have sent a signal
	}
	var done <-chan struct{}
	if c, ok := ctx.(*Call); ok && l.bits.Load()&bitNested != 0 {
		done, _ = c.look(false) // what it waits for hears of the lease's end, and tells it
	} else {
		done = ctx.Done()
	}
	if done == nil {
		<-l.wait
		return nil
	}
	select {
	case <-l.wait:
		return nil
	case <-done:
		return l.left(ctx)
	}
}

// left is called when ctx, with which a call is awaited, has ended. It returns nil if the reply is there, or was on
// its way.
func (l *local) left(ctx context.Context) error {
	if l.Accepted() { // at the same moment
		<-l.wait
		return nil
	}
	if o, ok := l.Leave(ctx.Err()); ok {
		return outcome.ContextError(ctx.Err(), o)
	}
	<-l.wait // decided at the same moment
	return nil
}

// part is called by the sender of a call when it has its answer.
func (l *local) part() {
	if l.wait != nil && l.bits.Load()&spentBars != 0 { // the call is not used again, but its channel is
		l.sub.d.waits.Put(l.wait)
		l.wait = nil
	}
	Part(&l.Call)
}
