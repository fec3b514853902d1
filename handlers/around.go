// Around: a func around each message, on its key's turn

package handlers

import (
	"context"
	"errors"
	"slices"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/transport"
)

// Around is a func around each message of a handler, or of a node. It runs where the
// message is handled: on the key's turn, or on a plain func's goroutine. It calls next
// once, which handles the message, or answers in its place.
//
//	func logged(ctx context.Context, in *handlers.Incoming, next func(context.Context) error) error {
//		err := next(ctx)
//		log.Println(in.Type(), in.Key(), err)
//		return err
//	}
//
// next returns the handler's error, and Around returns the message's: the sender is
// answered when Around has returned. If Around has not called next and its error is, or
// wraps, one of the library's that says that nothing ran (ErrOverloaded,
// [outcome.Overloaded] with a hint), the message is NotStarted, and clients may send it
// again. All other errors are RanAndFailed. A second call of next returns an error and does nothing.
//
// A panic of Around is one of the handler's: the sender gets ErrPanicked, and the key
// starts anew. A panic of the handler passes through Around, which cannot stop it.
//
// The context that next is given is the handler's, also where it is derived from ctx: a
// typed entity sees its values, and its deadline until next returns. A context with a
// cancel or a deadline of its own watches the end of the call, as a handler does that asks
// for Done: if the shard is lost, the call is cut off. next must be called
// on the goroutine of Around, and must have returned before Around returns.
//
// Around does not see messages that no handler begins with: those that are refused, of an
// unknown kind, or of a key that cannot be activated. It sees no hooks.
type Around func(ctx context.Context, in *Incoming, next func(context.Context) error) error

// Chain makes one Around of several. The first is the outermost. Those that are nil are
// left out; without any other, Chain returns nil.
func Chain(around ...Around) Around {
	around = slices.DeleteFunc(slices.Clone(around), func(a Around) bool { return a == nil })
	if len(around) < 2 {
		return append(around, nil)[0]
	}
	first, rest := around[0], Chain(around[1:]...)
	return func(ctx context.Context, in *Incoming, next func(context.Context) error) error {
		called := false
		return first(ctx, in, func(ctx context.Context) error {
			if called {
				return errNext
			}
			called = true
			return rest(ctx, in, next)
		})
	}
}

var errNext = errors.New("clstr: an Around has called next twice, or has called it too late: the message is handled once")

// lost is the panic of an Around that has returned although its handler has not.
const lost = "Around has returned, and the handler has not: it has panicked and was recovered, or runs on another goroutine"

// surroundFunc puts around before a plain func.
func surroundFunc(h transport.HandlerFunc, around Around) transport.HandlerFunc {
	if around == nil {
		return h
	}
	return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		in := &Incoming{call: dispatch.CallFrom(ctx)}
		in.call.AfterAnswer(in.wasAnswered)
		in.turn()
		err := around(ctx, in, func(ctx context.Context) error {
			if err := in.begin(ctx); err != nil {
				return err
			}
			data, err := h(ctx, env)
			in.take(answer{data: data, err: err})
			return in.end()
		})
		a, _ := in.over(err)
		if a.fail != nil {
			in.call.Fail(a.fail)
		}
		return a.data, a.err
	}
}

// surrounded is a call with an Around, as its key's actor knows it: what is answered on
// the turn is kept until Around has returned.
type surrounded struct {
	delivery
	in     Incoming
	around Around
}

var _ host.Call = (*surrounded)(nil)

// surround puts around before a call. It returns what is to be delivered.
func surround(d delivery, around Around) host.Call {
	if around == nil {
		return d
	}
	s := &surrounded{delivery: d, around: around, in: Incoming{call: d.Call}}
	d.AfterAnswer(s.in.wasAnswered)
	return s
}

// runAround is called on the key's turn. handle handles the message. answer answers it: an
// error's own code runs there.
func runAround(c host.Call, handle func()) (answer func()) {
	s, ok := c.(*surrounded)
	if !ok {
		handle()
		return nil
	}
	s.in.turn()
	err := s.around(s.Call, &s.in, func(ctx context.Context) error {
		if err := s.in.begin(ctx); err != nil {
			return err
		}
		handle()
		return s.in.end()
	})
	a, answered := s.in.over(err)
	if !answered {
		return nil
	}
	return func() { s.delivery.give(a) }
}

// End implements the call of a host. A message's own code may have ended the turn's
// goroutine, and the Around with it: the answer to that was kept.
func (s *surrounded) End() {
	if a, answered := s.in.leave(); answered {
		s.delivery.give(a)
	}
	s.Call.End()
}

func (d delivery) give(a answer) {
	switch {
	case a.fail != nil:
		d.Call.Fail(a.fail)
	case a.err != nil:
		d.Call.Reply(nil, a.err)
	default:
		d.Call.ReplyOwned(a.data)
	}
}

// Reply implements [host.Call].
func (s *surrounded) Reply(data []byte, err error) {
	if !s.in.take(answer{data: slices.Clone(data), err: err}) {
		s.delivery.Reply(data, err)
	}
}

// ReplyOwned implements [host.Call].
func (s *surrounded) ReplyOwned(data []byte) {
	if !s.in.take(answer{data: data}) {
		s.delivery.ReplyOwned(data)
	}
}

// Fail implements [host.Call].
func (s *surrounded) Fail(err error) {
	e := coded(s.Key(), err)
	if !s.in.take(answer{err: e, fail: e}) {
		s.Call.Fail(e)
	}
}

// AfterAnswer implements [host.Call].
func (s *surrounded) AfterAnswer(f func()) { s.in.afterAnswer(f) }
