package testkit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

type (
	watchNews struct{ Seen int } // waits without an effect
	oweNews   struct{ Seen int } // waits, and does not say so
	postNews  struct{ Version int }
	newsOf    struct{ Version int }
)

// newsBoard answers its readers when something is posted.
type newsBoard struct {
	drains  *int
	waiting []actor.Answer[newsOf]
}

func (b *newsBoard) watch(_ *actor.Context, _ watchNews, a actor.Answer[newsOf]) error {
	a.NoEffect()
	b.waiting = append(b.waiting, a)
	return nil
}

func (b *newsBoard) owe(_ *actor.Context, _ oweNews, a actor.Answer[newsOf]) error {
	b.waiting = append(b.waiting, a)
	return nil
}

func (b *newsBoard) post(_ *actor.Context, m postNews) (newsOf, error) {
	for _, a := range b.waiting {
		a.Reply(newsOf(m))
	}
	return newsOf(m), nil
}

func (b *newsBoard) drain(*actor.Context) error { *b.drains++; return nil }

func typedBoard(drains *int) cluster.ActorFactory {
	return actor.Define("board", func(string) *newsBoard { return &newsBoard{drains: drains} }, actor.OnRequestLater((*newsBoard).watch),
		actor.OnRequestLater((*newsBoard).owe), actor.OnRequest((*newsBoard).post), actor.OnDrain((*newsBoard).drain)).New
}

// protoNews is the same as a protoactor actor.
type protoNews struct {
	drains  *int
	waiting []*actor.PID
}

// Receive implements protoactor's Actor.
func (p *protoNews) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Draining:
		*p.drains++
	case *actor.Message:
		switch m.Type {
		case "postNews":
			for _, pid := range p.waiting {
				ctx.Send(pid, newsOf{7})
			}
			ctx.Respond(newsOf{7})
		case "watchNews":
			actor.NoEffect(ctx, ctx.Sender())
			fallthrough
		default:
			p.waiting = append(p.waiting, ctx.Sender())
		}
	}
}

func protoBoard(drains *int) cluster.ActorFactory {
	return func(string) (actor.Actor, error) { return &protoNews{drains: drains}, nil }
}

// TestAloneDrain: a request that waits without an effect survives a drain unseen, any
// other ends as one that may have run in half a second, and the entity hears of it.
func TestAloneDrain(t *testing.T) {
	for name, of := range map[string]func(*int) cluster.ActorFactory{"typed": typedBoard, "protoactor": protoBoard} {
		t.Run(name, func(t *testing.T) {
			drains := new(int)
			testkit.Alone(t, of(drains), "key", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
				for range 2 { // it may be drained again
					*drains = 0
					polls, owed := make(chan error, 1), make(chan error, 1)
					go func() { // ends with the request
						n, err := testkit.Ask[newsOf](e, watchNews{})
						if err == nil && n.Version != 7 {
							err = errors.New("other news")
						}
						polls <- err
					}()
					synctest.Wait()
					e.Drain()
					if *drains != 1 || len(polls) > 0 {
						t.Fatalf("drained %d times; the poll has ended %d times", *drains, len(polls))
					}
					e.Advance(time.Second) // the poll is asked again
					if _, err := testkit.Ask[newsOf](e, postNews{7}); err != nil {
						t.Error(err)
					}
					if err := <-polls; err != nil {
						t.Errorf("the poll: %v", err)
					}
					go func() { // the same
						_, err := testkit.Ask[newsOf](e, oweNews{})
						owed <- err
					}()
					synctest.Wait()
					began := time.Now()
					e.Drain()
					if took := time.Since(began); took >= time.Second {
						t.Errorf("a drain with an owed answer took %v", took)
					}
					if err := <-owed; cluster.OutcomeOf(err) != cluster.MaybeRan {
						t.Errorf("what was owed: %v (%v)", err, cluster.OutcomeOf(err))
					}
					if *drains != 2 {
						t.Errorf("told of %d drains", *drains)
					}
				}
				e.Drain() // of nothing
			})
		})
	}
}

// TestAloneKeepsHookTimeout: the limit of hooks that a definition has holds for it alone,
// too.
func TestAloneKeepsHookTimeout(t *testing.T) {
	slow := actor.Define("slow", func(string) *newsBoard { return new(newsBoard) }, actor.OnRequest((*newsBoard).post), actor.HookTimeout(time.Second),
		actor.OnPassivate(func(_ *newsBoard, c *actor.Context) error { <-c.Done(); return context.Cause(c) }))
	testkit.Alone(t, slow.New, "key", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[newsOf](e, postNews{1}); err != nil && !strings.Contains(err.Error(), "nil") {
			t.Fatal(err)
		}
		began := time.Now()
		e.Passivate()
		if took := time.Since(began); took != time.Second {
			t.Errorf("its stop hook had %v", took)
		}
	})
}
