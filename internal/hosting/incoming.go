// Incoming: a message as an Around sees it

package hosting

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// Incoming is the type behind handlers.Incoming, which describes its methods.
type Incoming struct {
	call *dispatch.Call

	mu       sync.Mutex
	stage    stage
	ctx      context.Context // the handler's, if Around has made one
	answer   answer
	answered bool // there is an answer
	given    bool // Around has returned, and what was kept is on its way: nothing comes before it
}

// answer is what the handler, or the Around, answers with.
type answer struct {
	data  []byte
	value plain.Value // in place of data, which is made when Around asks for it
	err   error
	fail  *outcome.Error // err, where it is one of the library's that stays as it is
}

// stage is how far the Around of a message has come.
//
//	queued -> before -> inside -> behind -> out
//	          before -> out, without next
//
// Before its turn and after it a message may be refused. Only during the turn is an answer
// kept.
type stage uint8

const (
	queued stage = iota // Around was not called
	before              // next was not called
	inside              // the handler runs
	behind              // it has returned
	out                 // Around has returned too
)

// Call is the message's.
func (in *Incoming) Call() *dispatch.Call { return in.call }

func (in *Incoming) Reply() (data []byte, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.answered || in.answer.err != nil {
		return nil, false
	}
	if v := &in.answer.value; v.Type() != nil && in.answer.data == nil {
		in.answer.data = v.Encoded()
	}
	return in.answer.data, true
}

func (in *Incoming) SetReply(data []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stage != out {
		in.answer, in.answered = answer{data: data}, true
	}
}

func (in *Incoming) OnAnswer(f func(err error)) {
	in.call.AfterAnswer(func() { // here may be a timer, or the caller
		in.call.Apart("OnAnswer", func() {
			if e := in.call.Failure(); e != nil {
				f(e)
			} else {
				f(nil)
			}
		})
	})
}

// run calls an Around, whose next calls handle. It returns the answer; false if the handler answers
// later.
func (in *Incoming) run(around Around, ctx context.Context, handle func(context.Context)) (a answer, answered bool) {
	in.mu.Lock()
	in.stage = before
	in.mu.Unlock()
	err := around(ctx, in, func(ctx context.Context) error {
		if err := in.begin(ctx); err != nil {
			return err
		}
		handle(ctx)
		return in.end()
	})
	return in.over(err)
}

// begin is called when Around calls next.
func (in *Incoming) begin(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stage != before {
		return errNext
	}
	in.stage = inside
	if ctx != nil && ctx != context.Context(in.call) {
		in.ctx = ctx
	}
	return nil
}

// end is called when the handler has returned; it returns the handler's error.
func (in *Incoming) end() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stage = behind
	return in.answer.err
}

// keep keeps the handler's answer, the first one, until Around has returned. It returns
// false before the turn, and after that if there was none.
func (in *Incoming) keep(a answer) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stage == queued || in.stage == out {
		return in.given
	}
	if !in.answered {
		in.answer, in.answered = a, true
	}
	return true
}

// over is called when Around has returned.
func (in *Incoming) over(err error) (a answer, answered bool) {
	never := err != nil && neverRan(err)
	in.mu.Lock()
	defer in.mu.Unlock()
	defer func() { in.given = answered }()
	was := in.stage
	if was == inside {
		panic(lost)
	}
	in.stage = out
	switch {
	case err != nil && in.answered && same(err, in.answer.err):
		return in.answer, true
	case never && was == before:
		e, ours := err.(*outcome.Error)
		if !ours {
			e = outcome.HandlerError(err)
		}
		e = e.WithOutcome(outcome.NotStarted)
		return answer{err: e, fail: e}, true
	case err != nil:
		return answer{err: err}, true
	case in.answered && in.answer.err != nil: // which Around has taken care of
		return answer{}, true
	}
	return in.answer, in.answered || was == before
}

// neverRan reports whether err says that this message never ran. The error of a client's call
// speaks of another message. The methods of err may panic.
func neverRan(err error) (is bool) {
	defer func() { _ = recover() }()
	if e, ok := errors.AsType[*outcome.Error](err); ok && e.Op != "" {
		return false
	}
	return outcome.Of(err).NeverRan()
}

// cutOff is over for an Around that has not returned when the turn ends.
func (in *Incoming) cutOff() (a answer, answered bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stage == queued || in.stage == out {
		return a, false
	}
	in.stage, in.given = out, in.answered
	return in.answer, in.answered
}

// same reports whether a is b. Errors need not be comparable.
func same(a, b error) (is bool) {
	defer func() { _ = recover() }()
	return a == b
}

// The context of a handler with an Around is the call's, and what Around has made of it.

// Deadline implements context.Context.
func (s *surrounded) Deadline() (time.Time, bool) { return s.in.context().Deadline() }

// Done implements context.Context.
func (s *surrounded) Done() <-chan struct{} { return s.in.context().Done() }

// Err implements context.Context.
func (s *surrounded) Err() error { return s.in.context().Err() }

// Value implements context.Context.
func (s *surrounded) Value(key any) any {
	s.in.mu.Lock()
	ctx := s.in.ctx // also when the handler has returned
	s.in.mu.Unlock()
	if ctx == nil {
		return s.Call.Value(key)
	}
	if _, ok := key.(turn.LentKey); ok {
		return nil // the call and ctx may end one without the other
	}
	return ctx.Value(key)
}

func (in *Incoming) context() context.Context {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ctx == nil || in.stage != inside {
		return in.call
	}
	return in.ctx
}
