package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// TestAroundAndALateAnswer: the Around has returned when the sender is answered, and is
// told of that.
func TestAroundAndALateAnswer(t *testing.T) {
	eachCrew(t, func(t *testing.T, kind string, c *cluster.Client, w *crew, f *foreman) {
		if kind != "typed" && kind != "protoactor" {
			return // funcs answer when they return
		}
		answered := make(chan error, 1)
		ask := func(foreman string) (leave func()) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			key := c.Kind(kind).Key("k", cluster.WithHeader("foreman", foreman))
			go func() { // ends with the answer
				defer cancel()
				out, err := cluster.NewRequest[choreLater, choreOut](key).Request(ctx, choreLater{})
				if err == nil && out.By != "later" {
					err = fmt.Errorf("by %s", out.By)
				}
				answered <- err
			}()
			return cancel
		}
		ask("look")
		answer := <-w.answers
		if _, err := cluster.NewRequest[chore, choreOut](c.Kind(kind).Key("k")).Request(t.Context(), chore{}); err != nil || <-f.ended != nil {
			t.Errorf("the key's next turn: %v", err)
		}
		if seen := f.take(); len(seen) != 1 || !strings.HasSuffix(seen[0], "true:  false <nil>") {
			t.Errorf("on the turn the Around sees %q", seen)
		}
		answer()
		if err, told := <-answered, <-f.ended; err != nil || told != nil {
			t.Errorf("answered with %v, and the Around is told %v", err, told)
		}
		ask("spoil") // what is returned decides
		answer = <-w.answers
		if err, told := <-answered, <-f.ended; !errors.Is(err, errForeman) || told == nil {
			t.Errorf("answered with %v, and the Around is told %v", err, told)
		}
		answer() // in vain
		leave := ask("")
		<-w.answers
		leave()
		if err, told := <-answered, <-f.ended; cluster.OutcomeOf(err) != cluster.MaybeRan || cluster.OutcomeOf(told) != cluster.MaybeRan {
			t.Errorf("a sender that leaves has %v, and the Around is told %v", err, told)
		}
	})
}

// TestContextOfAnAround: the handler has it on its turn, and its values for longer; a call
// that is answered later has its own time again.
func TestContextOfAnAround(t *testing.T) {
	answers := make(chan actor.Answer[choreOut], 1)
	def := actor.Define("chores", func(string) *struct{} { return new(struct{}) },
		actor.OnRequestLater(func(_ *struct{}, c *actor.Context, _ choreLater, a actor.Answer[choreOut]) error {
			if d, ok := c.Deadline(); !ok || time.Until(d) > time.Second {
				t.Errorf("its deadline is %v, %v", d, ok)
			}
			answers <- a
			return nil
		}))
	c := serve(t, cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{
		Around: func(ctx context.Context, _ *cluster.Incoming, next func(context.Context) error) error {
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, traceKey{}, "traced"), time.Second)
			defer cancel()
			return next(ctx)
		},
	}))
	done := make(chan error, 1)
	go func() { // ends with the answer
		_, err := cluster.NewRequest[choreLater, choreOut](c.Key("k")).Request(context.Background(), choreLater{})
		done <- err
	}()
	a := <-answers
	if _, err := cluster.NewRequest[chore, choreOut](c.Key("k")).Request(t.Context(), chore{}); !errors.Is(err, cluster.ErrUnknownType) {
		t.Error(err) // the turn is over
	}
	if a.Context().Err() != nil || a.Context().Value(traceKey{}) != "traced" {
		t.Errorf("after the turn: %v, %v", a.Context().Err(), a.Context().Value(traceKey{}))
	}
	a.Reply(choreOut{})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// quitter is a message whose own code ends the goroutine that decodes it.
type quitter struct{ N int }

func (q *quitter) UnmarshalJSON([]byte) error { runtime.Goexit(); return nil }

// quitError is an error whose own code does.
type quitError struct{}

func (quitError) Error() string { runtime.Goexit(); return "" }

// TestAroundAndCodeThatEndsItsGoroutine: the sender is answered at once, and the key keeps
// its state, as without an Around.
func TestAroundAndCodeThatEndsItsGoroutine(t *testing.T) {
	through := func(ctx context.Context, _ *cluster.Incoming, next func(context.Context) error) error {
		return next(ctx)
	}
	for _, around := range []cluster.Around{nil, through} {
		made := 0
		def := actor.Define("chores", func(string) *struct{} { made++; return new(struct{}) },
			actor.OnRequest(func(*struct{}, *actor.Context, quitter) (choreOut, error) { return choreOut{}, nil }),
			actor.OnRequest(func(_ *struct{}, _ *actor.Context, m chore) (choreOut, error) {
				if m.Do == "quit" {
					return choreOut{}, quitError{}
				}
				return choreOut{}, nil
			}))
		key := serve(t, cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{Around: around})).Key("k")
		if _, err := key.Request(t.Context(), quitter{}); !errors.Is(err, cluster.ErrDecode) {
			t.Errorf("a message that does: %v", err)
		}
		if _, err := key.Request(t.Context(), chore{"quit"}); cluster.OutcomeOf(err) != cluster.RanAndFailed {
			t.Errorf("an error that does: %v (%v)", err, cluster.OutcomeOf(err))
		}
		if _, err := key.Request(t.Context(), chore{}); err != nil || made != 1 {
			t.Errorf("afterwards: %v, and the key was made %d times", err, made)
		}
	}
}

// TestOrderOfArounds: the node's are outermost, the first of a chain before the others;
// an Around of a node is around a message once, also where a func passes it on.
func TestOrderOfArounds(t *testing.T) {
	var mu sync.Mutex
	var order []string
	named := func(name string) cluster.Around {
		return func(ctx context.Context, _ *cluster.Incoming, next func(context.Context) error) error {
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			return next(ctx)
		}
	}
	w := &crew{}
	kinds := w.handlers(cluster.Chain(named("handler 1"), named("handler 2")))
	inner := kinds["typed"]
	kinds["wrapped"] = func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		mu.Lock()
		order = append(order, "func")
		mu.Unlock()
		return inner(ctx, env)
	}
	c := serve(t, nil, func(n *cluster.NodeOptions, _ *cluster.ClientOptions) {
		n.Kinds, n.Around = kinds, cluster.Chain(named("node 1"), named("node 2"))
	})
	of := map[string][]string{"plain": {"node 1", "node 2"}, "wrapped": {"node 1", "node 2", "func", "handler 1", "handler 2"}}
	for kind := range kinds {
		want := of[kind]
		if want == nil {
			want = []string{"node 1", "node 2", "handler 1", "handler 2"}
		}
		order = nil
		if _, err := cluster.NewRequest[chore, choreOut](c.Kind(kind).Key("k")).Request(t.Context(), chore{}); err != nil {
			t.Error(err)
		}
		if !slices.Equal(order, want) {
			t.Errorf("%s: %q", kind, order)
		}
	}
}

// TestOnAnswerThatPanics, or ends its goroutine, costs no caller its answer: neither where the
// handler replies, nor where the time of a caller is up.
func TestOnAnswerThatPanics(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, transport testkit.TransportKind) {
		for name, f := range map[string]func(error){"panic": func(error) { panic("OnAnswer's") }, "goexit": func(error) { runtime.Goexit() }} {
			t.Run(name, func(t *testing.T) {
				w, told := &crew{answers: make(chan func(), 1)}, make(chan error, 1)
				kinds := w.handlers(nil)
				begun := make(chan struct{}, 100)
				kinds["slow"] = func(ctx context.Context, _ cluster.Envelope) ([]byte, error) {
					begun <- struct{}{}
					<-ctx.Done()
					return nil, nil
				}
				c := byteNode(t, transport, false, cluster.NodeOptions{Kinds: kinds, Around: func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
					in.OnAnswer(f)
					in.OnAnswer(func(err error) { told <- err })
					return next(ctx)
				}})
				for kind := range w.handlers(nil) {
					for range 2 {
						out, err := cluster.NewRequest[chore, choreOut](c.Kind(kind).Key("k")).Request(t.Context(), chore{})
						if err != nil || out.By != "handler" || <-told != nil {
							t.Errorf("%s: got %v, %v", kind, out, err)
						}
					}
				}
				for len(begun) == 0 { // a busy machine may let the time end before that
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					_, err := c.Kind("slow").Key("k").Request(ctx, chore{})
					if cancel(); !errors.Is(err, context.DeadlineExceeded) {
						t.Fatalf("a slow one: got %v", err)
					}
				}
				if <-told == nil {
					t.Error("a slow one has an answer")
				}
			})
		}
	})
}
