package transport

import (
	"context"
	"maps"

	"github.com/clstr-go/clstr/internal/pool"
)

// local is a call whose sender waits in this process.
type local struct {
	Call
	wait chan struct{} // cap 1; one signal at most
	data []byte
	err  *Error
}

// Reply implements [Replier].
func (l *local) Reply(c *Call, data []byte, err *Error) {
	if !c.DataIsOwned() {
		data = cloneBytes(data) // the handler's slice stays the handler's, an empty one too: it has room behind its end
	}
	l.data, l.err = data, err
	l.wait <- struct{}{}
}

// Do dispatches env and waits for what its delivery names, as
// [ClientTransport.Request] does. Sender and handler share no memory: what
// crosses is copied, as on a wire.
func (s *Sub) Do(ctx context.Context, env Envelope) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, ContextError(err, NotSent)
	}
	env.Data = cloneBytes(env.Data)
	env.Headers = maps.Clone(env.Headers)
	env.ReplyTo = ""
	if env.Delivery != AwaitReply {
		return nil, s.notify(&env)
	}
	l := &local{}
	if w, ok := s.d.waits.Get().(chan struct{}); ok {
		l.wait = w
	} else {
		l.wait = make(chan struct{}, 1)
	}
	l.init(&env, l, deadlineOf(ctx))
	w := BeginWait(ctx)
	s.Dispatch(&l.Call)
	err := l.await(ctx)
	w.EndWait(ctx)
	if err != nil {
		return nil, err
	}
	s.d.waits.Put(l.wait)
	if l.err != nil {
		return nil, l.err
	}
	return l.data, nil
}

// notify dispatches a notification. The owner's acceptance is part of that, and
// so is what refuses it.
func (s *Sub) notify(env *Envelope) error {
	c := new(Call)
	c.init(env, nil, 0)
	s.Dispatch(c)
	if err := c.refused(); err != nil {
		return err
	}
	return nil
}

// await returns nil when the reply is there.
func (l *local) await(ctx context.Context) error {
	done := ctx.Done()
	if done == nil {
		<-l.wait
		return nil
	}
	select {
	case <-l.wait:
		return nil
	case <-done:
	}
	if o, ok := l.Leave(ctx.Err()); ok {
		return ContextError(ctx.Err(), o)
	}
	<-l.wait // decided at the same moment
	return nil
}

func cloneBytes(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	c := make([]byte, len(b))
	copy(c, b)
	return c
}

// ReceiverFunc makes a receiver of a handler: each call gets a goroutine of the
// pool as soon as fewer than the limit are running.
func (d *Dispatcher) ReceiverFunc(h HandlerFunc) Receiver { return &handlerReceiver{d.pool, h} }

// ReceiverFunc makes a receiver of a handler, on the lifetime's goroutines.
func (l *Lifetime) ReceiverFunc(h HandlerFunc) Receiver { return &handlerReceiver{l.pool, h} }

type handlerReceiver struct {
	pool Pool
	h    HandlerFunc
}

// Accept implements [Receiver].
func (r *handlerReceiver) Accept(c *Call) {
	if c.enqueue() {
		r.pool.Go(&handlerTask{c, r.h})
	}
}

// HandlerFunc makes a handler of a receiver, for transports that only know
// handlers. Calls are accepted in the order in which the handler is called.
// What outlives the handler's call, a notification, ends at the handler timeout
// of the lifetime's transport.
func (l *Lifetime) HandlerFunc(r Receiver) HandlerFunc {
	d := l.Once(syncDispatcher{}, func() (any, func()) {
		d := newDispatcher(Limits{MaxPending: -1, HandlerTimeout: l.handlerTimeout}, l.log, l.pool)
		d.life = l
		return d, func() { d.end() }
	})
	if d == nil {
		return func(context.Context, Envelope) ([]byte, error) { return nil, newError(ErrDraining) }
	}
	sub, err := d.(*Dispatcher).Subscribe(l.ctx, r)
	return func(ctx context.Context, env Envelope) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return sub.Do(ctx, env)
	}
}

type syncDispatcher struct{}

type handlerTask struct {
	c *Call
	h HandlerFunc
}

// Run implements pool.Task.
func (t *handlerTask) Run(slot pool.Slot) {
	if !t.c.Start(slot) {
		t.c.dequeue()
		return
	}
	returned := false
	defer func() {
		if !returned {
			t.c.Panicked(recoverOr("runtime.Goexit", recover()))
		}
		t.c.End()
	}()
	data, err := t.h(t.c, *t.c.Envelope())
	returned = true
	t.c.Reply(data, err)
}

// recoverOr names what ended a handler that did not return.
func recoverOr(otherwise string, r any) any {
	if r == nil {
		return otherwise
	}
	return r
}
