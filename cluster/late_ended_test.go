package cluster_test

import (
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// finish ends the key whose process id the test knows, in the way that it names.
type finish struct{ How string }

func init() { actor.RegisterMessage[*finish]() }

// debtor is an entity that leaves its answers open, and says under which process id.
type debtor struct{ self chan *actor.PID }

func (d *debtor) owe(c *actor.Context, _ owe, _ actor.Answer[news]) error {
	d.self <- c.Self()
	return nil
}

func (d *debtor) watch(c *actor.Context, _ watch, a actor.Answer[news]) error {
	a.NoEffect()
	d.self <- c.Self()
	return nil
}

func (d *debtor) finish(c *actor.Context, _ finish) (news, error) {
	c.Passivate()
	return news{}, nil
}

func (d *debtor) typed() cluster.ServerHandlerFunc {
	return cluster.NewActorHandler(actor.Define("debtor", func(string) *debtor { return d },
		actor.OnRequestLater((*debtor).owe), actor.OnRequestLater((*debtor).watch), actor.OnRequest((*debtor).finish)).New)
}

func (d *debtor) proto() cluster.ServerHandlerFunc {
	registerBoards()
	return cluster.NewActorHandler(func(string) (actor.Actor, error) {
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *watch:
				actor.NoEffect(ctx, ctx.Sender())
				d.self <- ctx.Self()
			case *owe:
				d.self <- ctx.Self()
			case *finish:
				ctx.Stop(ctx.Self())
				ctx.Respond(news{})
			}
		}), nil
	})
}

// hangman ends other keys of its node.
func hangman(pid **actor.PID) cluster.ServerHandlerFunc {
	return cluster.NewActorHandler(func(string) (actor.Actor, error) {
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch m := ctx.Message().(type) {
			case *finish:
				if m.How == "Poison" {
					ctx.Poison(*pid)
				} else {
					ctx.Stop(*pid)
				}
				ctx.Respond(news{})
			}
		}), nil
	})
}

// TestOwedAnswersOfAKeyThatEnds: a key that is stopped by its process id, or stops itself,
// while it owes answers leaves nobody to give them. A request that has had no effect goes
// to the key's next actor; the callers of others are told that they may have run. They
// were told at their deadlines.
func TestOwedAnswersOfAKeyThatEnds(t *testing.T) {
	for name, entity := range map[string]func(*debtor) cluster.ServerHandlerFunc{"typed": (*debtor).typed, "protoactor": (*debtor).proto} {
		for _, live := range []bool{false, true} {
			for _, how := range []string{"Stop", "Poison", "itself"} {
				testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
					d, pid := &debtor{make(chan *actor.PID, 10)}, new(*actor.PID)
					c := testkit.NewCluster(t, testkit.ClusterOptions{
						Nodes: 1, NumShards: 2, Live: live, Timing: noLeaseEnds, Transport: kind, Log: quiet,
						Kinds: map[string]cluster.ServerHandlerFunc{"debtor": entity(d), "hangman": hangman(pid)},
					})
					if live {
						c.Settle()
					}
					debtors := c.Client().Kind("debtor")
					owed := beside(func() error { return asks[owe](t.Context(), debtors.Key("key")) }) // ends with the key
					*pid = <-d.self
					poll := beside(func() error { return asks[watch](t.Context(), debtors.Key("key")) }) // ends with the client
					<-d.self
					began := time.Now()
					to := c.Client().Kind("hangman").Key("h")
					if how == "itself" {
						to = debtors.Key("key")
					}
					if _, err := cluster.NewRequest[finish, news](to).Request(t.Context(), finish{how}); err != nil {
						t.Fatal(err)
					}
					wantError(t, <-owed, cluster.ErrDraining, cluster.MaybeRan)
					<-d.self // the poll waits at the next actor
					if took := time.Since(began); took > 10*time.Second {
						t.Errorf("%s, live %v, %s: told after %v", name, live, how, took)
					}
					select {
					case err := <-poll:
						t.Errorf("%s, live %v, %s: the request that has had no effect ends with %v", name, live, how, err)
					default:
					}
				})
			}
		}
	}
}
