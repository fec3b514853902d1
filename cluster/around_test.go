package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

type (
	chore      struct{ Do string } // what its handler does
	choreOut   struct{ By string }
	choreLater struct{} // a chore that is answered after the turn
)

var errChore = errors.New("the handler's own")

// crew handles chores, in all ways that there are.
type crew struct {
	mu      sync.Mutex
	ran     int
	answers chan func() // what answers those that are answered later
}

type traceKey struct{}

func (w *crew) do(ctx context.Context, do string) (choreOut, error) {
	w.mu.Lock()
	w.ran++
	w.mu.Unlock()
	switch do {
	case "fail":
		return choreOut{}, errChore
	case "panic":
		panic("the handler's")
	case "trace":
		trace, _ := ctx.Value(traceKey{}).(string)
		return choreOut{trace}, nil
	}
	return choreOut{"handler"}, nil
}

func (w *crew) runs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.ran
	w.ran = 0
	return n
}

// handlers are those of each kind; around is the handler's own.
func (w *crew) handlers(around cluster.Around) map[string]cluster.ServerHandlerFunc {
	opts := cluster.HandlerOptions{Around: around}
	registerChores()
	plain := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		for _, do := range []string{"fail", "panic", "trace"} {
			if strings.Contains(string(env.Data), do) {
				out, err := w.do(ctx, do)
				return fmt.Appendf(nil, `{"By":%q}`, out.By), err
			}
		}
		_, err := w.do(ctx, "")
		return []byte(`{"By":"handler"}`), err
	}
	return map[string]cluster.ServerHandlerFunc{
		"typed": cluster.NewActorHandlerWithOpts(actor.Define("chores", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m chore) (choreOut, error) { return w.do(c, m.Do) }),
			actor.OnRequestLater(func(_ *struct{}, _ *actor.Context, _ choreLater, a actor.Answer[choreOut]) error {
				w.answers <- func() { a.Reply(choreOut{"later"}) }
				return nil
			})).New, opts),
		"protoactor": cluster.NewActorHandlerWithOpts(func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				switch m := ctx.Message().(type) {
				case *chore:
					if out, err := w.do(actor.ContextOf(ctx), m.Do); err != nil {
						ctx.Respond(err)
					} else {
						ctx.Respond(out)
					}
				case *choreLater:
					root, sender := ctx.ActorSystem().Root, ctx.Sender()
					w.answers <- func() { root.Send(sender, choreOut{"later"}) }
				}
			}), nil
		}, opts),
		"func per key": cluster.NewScopedHandler(cluster.ScopedHandlerOpts{
			Around:  around,
			Extract: func(env cluster.Envelope) (string, error) { return env.Key, nil },
			Create:  func(string) (cluster.ServerHandlerFunc, error) { return plain, nil },
		}),
		"plain": plain,
	}
}

var registerChores = sync.OnceFunc(func() {
	actor.RegisterMessage[*chore]()
	actor.RegisterMessage[*choreLater]()
})

// foreman is an Around that does what a header says, and notes what it sees.
type foreman struct {
	mu    sync.Mutex
	seen  []string
	ended chan error // what OnAnswer is told
}

func (f *foreman) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, fmt.Sprintf(format, args...))
}

func (f *foreman) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	return seen
}

var errForeman = errors.New("the foreman's own")

func (f *foreman) around(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
	in.OnAnswer(func(err error) { f.ended <- err })
	do, _ := in.Header("foreman")
	switch do {
	case "deny":
		return errForeman
	case "refuse":
		return outcome.Overloaded(time.Millisecond, "the foreman's")
	case "refuse plainly":
		return cluster.ErrOverloaded
	case "refuse in words":
		return fmt.Errorf("the foreman's: %w", outcome.Overloaded(time.Millisecond, "too much"))
	case "pass on":
		return fmt.Errorf("the foreman asks: %w", outcome.Annotate(outcome.Errorf(cluster.ErrNotOwner, "another's"), "request to another"))
	case "skip":
		return nil
	case "answer":
		in.SetReply([]byte(`{"By":"foreman"}`))
		return nil
	case "panic":
		panic("the foreman's")
	}
	err := next(context.WithValue(ctx, traceKey{}, "traced"))
	switch reply, ok := in.Reply(); do {
	case "look":
		f.note("%s %s %s %d %s %v: %s %v %v", in.Type(), in.Kind(), in.Key(), in.Shard(), in.Data(), in.AwaitsReply(), reply, ok, err)
	case "spoil":
		return errForeman
	case "refuse late":
		return outcome.Overloaded(time.Millisecond, "the foreman's")
	case "forgive":
		return nil
	case "replace":
		in.SetReply([]byte(`{"By":"foreman"}`))
	case "wrap":
		return fmt.Errorf("wrapped: %w", err)
	case "panic late":
		panic("the foreman's")
	case "twice":
		if next(ctx) == nil {
			return errors.New("next was called twice")
		}
	case "twice and tell":
		return next(ctx)
	case "recover":
		panic("not reached: the handler has panicked")
	}
	return err
}

// swallow is an Around that recovers what its handler panics with.
func swallow(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) (err error) {
	if do, _ := in.Header("foreman"); do == "recover" {
		defer func() { _ = recover() }()
	}
	return next(ctx)
}

// eachCrew runs a test for each kind of handler, on both transports, with a foreman that
// is the node's.
func eachCrew(t *testing.T, test func(t *testing.T, kind string, c *cluster.Client, w *crew, f *foreman)) {
	testkit.EachTransport(t, func(t *testing.T, transport testkit.TransportKind) {
		w, f := &crew{answers: make(chan func(), 1)}, &foreman{ended: make(chan error, 1)}
		c := byteNode(t, transport, false, cluster.NodeOptions{Kinds: w.handlers(nil), Around: cluster.Chain(swallow, nil, f.around)})
		for kind := range w.handlers(nil) {
			t.Run(kind, func(t *testing.T) { test(t, kind, c, w, f) })
		}
	})
}

// TestAround: what an Around returns, does or leaves out is what becomes of the message,
// of whatever kind its handler is.
func TestAround(t *testing.T) {
	eachCrew(t, func(t *testing.T, kind string, c *cluster.Client, w *crew, f *foreman) {
		for _, m := range []struct {
			foreman, do string
			by          string // of the reply
			want        error
			outcome     cluster.Outcome
			runs        int
		}{
			{"", "", "handler", nil, cluster.Succeeded, 1},
			{"", "trace", "traced", nil, cluster.Succeeded, 1},
			{"", "fail", "", errChore, cluster.RanAndFailed, 1},
			{"", "panic", "", cluster.ErrPanicked, cluster.MaybeRan, 1},
			{"deny", "", "", errForeman, cluster.RanAndFailed, 0},
			{"refuse", "", "", cluster.ErrOverloaded, cluster.NotStarted, 0},
			{"refuse plainly", "", "", cluster.ErrOverloaded, cluster.NotStarted, 0},
			{"refuse in words", "", "", cluster.ErrOverloaded, cluster.NotStarted, 0},
			{"pass on", "", "", cluster.ErrNotOwner, cluster.RanAndFailed, 0},
			{"refuse late", "", "", cluster.ErrOverloaded, cluster.RanAndFailed, 1},
			{"answer", "", "foreman", nil, cluster.Succeeded, 0},
			{"replace", "", "foreman", nil, cluster.Succeeded, 1},
			{"skip", "", "", cluster.ErrReply, cluster.RanAndFailed, 0}, // no reply does not decode
			{"spoil", "", "", errForeman, cluster.RanAndFailed, 1},
			{"spoil", "fail", "", errForeman, cluster.RanAndFailed, 1},
			{"forgive", "fail", "", cluster.ErrReply, cluster.RanAndFailed, 1},
			{"wrap", "fail", "", errChore, cluster.RanAndFailed, 1},
			{"panic", "", "", cluster.ErrPanicked, cluster.MaybeRan, 0},
			{"panic late", "", "", cluster.ErrPanicked, cluster.MaybeRan, 1},
			{"twice", "", "handler", nil, cluster.Succeeded, 1},
			{"twice and tell", "", "", nil, cluster.RanAndFailed, 1},
			{"recover", "panic", "", cluster.ErrPanicked, cluster.MaybeRan, 1},
		} {
			name := m.foreman + "/" + m.do
			key := c.Kind(kind).Key("k")
			header := cluster.WithHeader("foreman", m.foreman)
			out, err := cluster.NewRequest[chore, choreOut](c.Kind(kind).Key("k", header)).Request(t.Context(), chore{m.do})
			told := <-f.ended
			switch {
			case m.outcome == cluster.Succeeded && (err != nil || out.By != m.by || told != nil):
				t.Errorf("%s: a request: got %v, %v, and the Around is told %v", name, out, err, told)
			case m.outcome != cluster.Succeeded && (m.want != nil && !errors.Is(err, m.want) || cluster.OutcomeOf(err) != m.outcome):
				t.Errorf("%s: a request: got %v (%v)", name, err, cluster.OutcomeOf(err))
			case m.outcome != cluster.Succeeded && m.want != cluster.ErrReply && cluster.OutcomeOf(told) != m.outcome:
				t.Errorf("%s: a request: the Around is told %v (%v)", name, told, cluster.OutcomeOf(told))
			}
			if n := w.runs(); n != m.runs {
				t.Errorf("%s: a request: its handler ran %d times", name, n)
			}
			if kind == "protoactor" && m.do == "fail" {
				continue // it cannot say of a notification that it has failed
			}
			if err := key.Notify(t.Context(), chore{m.do}, header); err != nil {
				t.Errorf("%s: a notification: %v", name, err)
			}
			told = <-f.ended
			if want := m.outcome; want != cluster.OutcomeOf(told) && m.want != cluster.ErrReply {
				t.Errorf("%s: a notification: the Around is told %v (%v)", name, told, cluster.OutcomeOf(told))
			}
			if n := w.runs(); n != m.runs {
				t.Errorf("%s: a notification: its handler ran %d times", name, n)
			}
		}
	})
}

func init() {
	cluster.RegisterError("test.chore", errChore)
	cluster.RegisterError("test.foreman", errForeman)
}

// TestAroundSees what the message is, and what its handler has made of it.
func TestAroundSees(t *testing.T) {
	eachCrew(t, func(t *testing.T, kind string, c *cluster.Client, w *crew, f *foreman) {
		key := c.Kind(kind).Key("k-1", cluster.WithHeader("foreman", "look"))
		shard := cluster.ShardFromString("k-1", 4, "")
		if _, err := cluster.NewRequest[chore, choreOut](key).Request(t.Context(), chore{}); err != nil || <-f.ended != nil {
			t.Error(err)
		}
		if _, err := cluster.NewRequest[chore, choreOut](key).Request(t.Context(), chore{"fail"}); !errors.Is(err, errChore) || <-f.ended == nil {
			t.Error(err)
		}
		if err := key.Notify(t.Context(), chore{}); err != nil || <-f.ended != nil {
			t.Error(err)
		}
		seen := f.take()
		of := fmt.Sprintf("chore %s k-1 %d ", kind, shard)
		want := []string{
			of + `{"Do":""} true: {"By":"handler"} true <nil>`,
			of + `{"Do":"fail"} true:  false the handler's own`,
		}
		if len(seen) != 3 || !slices.Equal(seen[:2], want) || !strings.HasPrefix(seen[2], of+`{"Do":""} false: `) {
			t.Errorf("seen: %q", seen)
		}
	})
}
