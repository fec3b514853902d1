// Calls whose sender waits in this process

package dispatch

import (
	"context"
	"maps"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// local is a call whose sender waits in this process.
type local struct {
	Call
	wait chan struct{} // cap 1; one signal at most
	data []byte
}

// Reply implements [Replier].
func (l *local) Reply(c *Call, data []byte, _ *outcome.Error) {
	if !c.DataIsOwned() {
		data = cloneBytes(data) // the handler's slice stays the handler's, an empty one too: it has room behind its end
	}
	l.data = data
	l.wait <- struct{}{}
}

// Do dispatches env and waits for what its delivery names, as
// [transport.ClientTransport.Request] does. Sender and handler share no memory: what
// crosses is copied, as on a wire.
func (s *Sub) Do(ctx context.Context, env transport.Envelope) ([]byte, error) {
	return s.do(ctx, env, s.to.Receiver, nil)
}

// do is Do for a receiver. from is the call whose handler passes it on, if one does.
func (s *Sub) do(ctx context.Context, env transport.Envelope, r Receiver, from *Call) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	env.ReplyTo = ""
	env.Bound(ctx)
	l := &local{}
	if w, ok := s.d.waits.Get().(chan struct{}); ok {
		l.wait = w
	} else {
		l.wait = make(chan struct{}, 1)
	}
	if env.Delivery != transport.AwaitReply {
		return nil, s.notify(ctx, l, &env, r, from)
	}
	l.init(&env, l, deadlineOf(ctx))
	w := BeginWait(ctx)
	if from != nil && from.AwaitsReply() && from.fn != nil && from.runs() {
		l.SetWaiting(from.Waiting()) // the same call: when the shard moves, both go to the next owner
	} else {
		l.SetWaiting(w.For(ctx, env.Shard))
	}
	s.dispatch(&l.Call, r, from)
	err := l.await(ctx)
	w.EndWait(ctx)
	if err != nil {
		return nil, err
	}
	s.d.waits.Put(l.wait)
	if l.err != nil { // it is not changed any more
		return nil, l.err
	}
	return l.data, nil
}

// await returns nil when the reply is there.
func (l *local) await(ctx context.Context) error {
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
	}
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

// own copies what the sender has lent: what is refused costs no copy.
func (c *Call) own() {
	c.env.Data = cloneBytes(c.env.Data)
	c.env.Headers = maps.Clone(c.env.Headers)
}

func cloneBytes(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	c := make([]byte, len(b))
	copy(c, b)
	return c
}
