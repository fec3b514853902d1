// A call with a func around it, on its key's turn

package hosting

import (
	"context"
	"errors"
	"slices"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Around is handlers.Around, before its Incoming is handlers.Incoming.
type Around func(ctx context.Context, in *Incoming, next func(context.Context) error) error

// AroundOf makes an Around of a func of package handlers, nil of nil. Its Incoming is this
// package's by another name: to converts it.
func AroundOf[In any](around func(context.Context, *In, func(context.Context) error) error, to func(*Incoming) *In) Around {
	if around == nil {
		return nil
	}
	return func(ctx context.Context, in *Incoming, next func(context.Context) error) error {
		return around(ctx, to(in), next)
	}
}

// Chain makes one func of several. The first is the outermost, and those that are nil are
// left out; without any other, Chain returns nil.
func Chain[A ~func(context.Context, In, func(context.Context) error) error, In any](around ...A) A {
	around = slices.DeleteFunc(slices.Clone(around), func(a A) bool { return a == nil })
	if len(around) < 2 {
		return append(around, nil)[0]
	}
	first, rest := around[0], Chain(around[1:]...)
	return func(ctx context.Context, in In, next func(context.Context) error) error {
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
		a, _ := in.run(around, ctx, func(ctx context.Context) {
			data, err := h(ctx, env)
			in.keep(answer{data: data, err: err})
		})
		if a.fail != nil {
			in.call.Fail(a.fail)
		}
		return a.data, a.err
	}
}

// surrounded is a call with an Around, as its key's actor knows it: an answer that is given on
// the turn is kept until Around has returned.
type surrounded struct {
	delivery
	way    host.Call // out: the delivery, or what the key has put before it
	in     Incoming
	around Around
}

var _ host.Call = (*surrounded)(nil)

// surround puts around before a call. It returns what is to be delivered.
func surround(d delivery, around Around) host.Call {
	if around == nil {
		return d
	}
	return &surrounded{delivery: d, way: d, around: around, in: Incoming{call: d.Call}}
}

// runAround is called on the key's turn. handle handles the message. answer answers it: an
// error's own code runs there.
func runAround(c host.Call, handle func()) (answer func()) {
	s, ok := c.(*surrounded)
	if !ok {
		handle()
		return nil
	}
	ctx := context.Context(s.Call)
	if d := s.way.Value(turn.DurableKey{}); d != nil { // what Around sends waits as what the handler sends
		ctx = context.WithValue(ctx, turn.DurableKey{}, d)
	}
	a, answered := s.in.run(s.around, ctx, func(context.Context) { handle() })
	if !answered {
		return nil
	}
	return func() { s.give(a) }
}

// End implements the call of a host. A message's own code may have ended the turn's
// goroutine, and the Around with it: the answer to that was kept.
func (s *surrounded) End() {
	if a, answered := s.in.cutOff(); answered {
		s.give(a)
	}
	s.Call.End()
}

// Panicked implements [host.Call]: an answer that was kept counts for nothing.
func (s *surrounded) Panicked(value any) {
	s.in.cutOff()
	s.way.Panicked(value)
}

// Through is called when the key's turn begins: what leaves goes by way of what wrap returns.
func (s *surrounded) Through(wrap func(host.Call) host.Call) { s.way = wrap(s.way) }

func (s *surrounded) give(a answer) {
	switch {
	case a.fail != nil:
		s.way.Fail(a.fail)
	case a.err != nil:
		s.way.Reply(nil, a.err)
	case a.value.Type() != nil:
		s.way.ReplyValue(a.value)
	default: // Around may read the bytes for as long as it likes
		s.way.Reply(a.data, nil)
	}
}

// IsAlone implements [host.Call]: Around may have the call.
func (s *surrounded) IsAlone() bool { return false }

// Reply implements [host.Call].
func (s *surrounded) Reply(data []byte, err error) {
	if !s.in.keep(answer{data: slices.Clone(data), err: err}) {
		s.way.Reply(data, err)
	}
}

// ReplyOwned implements [host.Call].
func (s *surrounded) ReplyOwned(data []byte) {
	if !s.in.keep(answer{data: data}) {
		s.way.ReplyOwned(data)
	}
}

// Wants implements [host.Call].
func (s *surrounded) Wants(of *plain.Type) bool { return s.way.Wants(of) }

// ReplyValue implements [host.Call]. Around may read the value for as long as it likes.
func (s *surrounded) ReplyValue(v plain.Value) {
	if v = v.Kept(); !s.in.keep(answer{value: v}) {
		s.way.ReplyValue(v)
	}
}

// Fail implements [host.Call].
func (s *surrounded) Fail(e *outcome.Error) {
	if !s.in.keep(answer{err: e, fail: e}) {
		s.way.Fail(e)
	}
}

// Spent implements [host.Call]: Around may have kept its [Incoming].
func (s *surrounded) Spent() host.Past { return nil }

// NoEffect implements [host.Call].
func (s *surrounded) NoEffect(none bool) bool { return s.way.NoEffect(none) }
