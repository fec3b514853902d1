package testkit_test

import (
	"cmp"
	"errors"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// ask is a request, and how it is to be answered: on its turn or on a goroutine, with
// an error whose text ends its goroutine, or with a reply whose encoding does what
// Reply says.
type ask struct {
	Goroutine, Fails bool
	Reply            string
}

// responder is an entity that counts what it was asked.
type responder struct{ n int }

func (e *responder) ask(_ *actor.Context, m ask, a actor.Answer[trigger]) error {
	e.n++
	answer := func() {
		if m.Fails {
			a.Fail(exiting{})
		}
		a.Reply(trigger{Encode: m.Reply})
	}
	if m.Goroutine {
		go answer() // ends with the answer
		return nil
	}
	if m.Fails {
		return exiting{}
	}
	answer()
	return nil
}

func (e *responder) count(*actor.Context, count) (int, error) { return e.n, nil }

// Receive is the same entity as an actor of protoactor's.
func (e *responder) Receive(c pactor.Context) {
	switch m := c.Message().(type) {
	case *pactor.Restarting, *pactor.Stopping:
		e.n = -1
	case *count:
		c.Respond(e.n)
	case *ask:
		e.n++
		var with any = trigger{Encode: m.Reply}
		if m.Fails {
			with = exiting{}
		}
		if root, sender := c.ActorSystem().Root, c.Sender(); m.Goroutine {
			go root.Send(sender, with) // ends with the answer
			return
		}
		c.Respond(with)
	}
}

func init() { actor.RegisterMessage[*ask]() }

// responders are the entities, typed and protoactor's.
func responders(opts testkit.ClusterOptions) testkit.ClusterOptions {
	typed := actor.Define("typed", func(string) *responder { return &responder{} }, actor.OnRequestLater((*responder).ask), actor.OnRequest((*responder).count))
	proto := func(string) (actor.Actor, error) { return pactor.ReceiveFunc((&responder{}).Receive), nil }
	opts.Kinds = map[string]cluster.ServerHandlerFunc{"typed": cluster.NewActorHandler(typed.New), "proto": cluster.NewActorHandler(proto)}
	return opts
}

// TestAnswersThatEndTheirGoroutine: the code of a reply or an error that ends its
// goroutine costs the call at most, whether it runs on the entity's turn or elsewhere.
// The caller is answered at once, and the entity keeps its state.
func TestAnswersThatEndTheirGoroutine(t *testing.T) {
	eachShards(t, func(t *testing.T, opts testkit.ClusterOptions) {
		client := testkit.NewCluster(t, responders(opts)).Client()
		for _, of := range []string{"typed", "proto"} {
			key, want := client.Kind(of).Key("k"), 0
			for _, m := range []ask{{}, {Reply: "goexit"}, {Fails: true}, {Goroutine: true, Reply: "goexit"}, {Goroutine: true, Fails: true}} {
				want++
				_, err := cluster.NewRequest[ask, trigger](key).Request(t.Context(), m)
				switch fails := m.Fails || m.Reply != ""; {
				case (err != nil) != fails:
					t.Errorf("%s, %+v: %v", of, m, err)
				case fails && (cluster.OutcomeOf(err) != cluster.RanAndFailed || errors.Is(err, cluster.ErrReply) == m.Fails):
					t.Errorf("%s, %+v: %v (%v)", of, m, err, cluster.OutcomeOf(err))
				}
				n, err := cluster.NewRequest[count, int](key).Request(t.Context(), count{})
				if err != nil || *n != want {
					t.Errorf("%s, %+v: the entity says %d (%v), want %d", of, m, *cmp.Or(n, new(int)), err, want)
				}
			}
		}
	})
}
