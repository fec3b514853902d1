package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

// cashbox is a durable entity, in two forms.
type cashbox struct{ Cents int }

type (
	take   struct{ Cents int }
	tip    struct{ Cents int } // a notification
	amount struct{ Cents int }
)

func (u *cashbox) take(_ *actor.Context, m take) (amount, error) {
	u.Cents += m.Cents
	return amount{u.Cents}, nil
}

func (u *cashbox) tip(_ *actor.Context, m tip) error { u.Cents += m.Cents; return nil }

func cashboxes() map[string]cluster.ServerHandlerFunc {
	def := actor.Define("till", func(string) *cashbox { return &cashbox{} }, actor.Durable(actor.Persistence{}),
		actor.OnRequest((*cashbox).take), actor.OnNotify((*cashbox).tip))
	behind := actor.Define("till", func(string) *cashbox { return &cashbox{} }, actor.Durable(actor.Persistence{Behind: time.Hour}),
		actor.OnRequest((*cashbox).take), actor.OnNotify((*cashbox).tip))
	return map[string]cluster.ServerHandlerFunc{
		"till":   cluster.NewActorHandler(def.New),
		"behind": handlers.NewActorHandler(behind.New),
	}
}

// TestOnceInACluster: the owner dies when a command is stored and its reply has not left. The
// next try gets the stored reply, from the next owner or the same one come back, and the command
// has taken effect once.
func TestOnceInACluster(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, tr testkit.TransportKind) {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("live %v", live), func(t *testing.T) {
				// The first change of each key is stored, and its answer is late.
				faults := testkit.NewStateFaults(1, testkit.StateRule{DelayAnswer: 1, DelayMin: 2 * time.Second, DelayMax: 2 * time.Second, First: 1})
				c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: tr, Nodes: 2, Kinds: cashboxes(), Live: live, State: faults.Store(memstate.New())})
				owner := c.Owner("k")
				type answer struct {
					kind    string
					tries   int
					balance amount
					err     error
				}
				answers, patience := make(chan answer, 2), time.Second
				if live && tr == testkit.NATS { // where callers hear of an owner's death
					patience = 20 * time.Second
				}
				for kind := range cashboxes() {
					go func() { // ends with the answer
						a := answer{kind: kind}
						key := c.Client().Kind(kind).Key("k")
						for a.tries < 20 { // by hand, as a caller whose own deadline has ended
							ctx, cancel := context.WithTimeout(context.Background(), patience)
							got, err := cluster.NewRequest[take, amount](key).Request(ctx, take{5}, cluster.WithID("order-1"))
							cancel()
							a.tries++
							if a.err = err; err == nil {
								a.balance = *got
								break
							}
						}
						answers <- a
					}()
					for c.Stored(kind, "k") == nil {
						<-time.After(time.Millisecond)
					}
				}
				c.KillNode(owner)
				if !live {
					c.StartNode(owner)
				}
				for range 2 {
					a := <-answers
					if a.err != nil || a.balance.Cents != 5 {
						t.Errorf("%s: %+v, %v", a.kind, a.balance, a.err)
					}
					if live && tr == testkit.NATS && a.tries > 1 {
						t.Errorf("%s: the client's own tries were not enough: %d calls", a.kind, a.tries)
					}
				}
				for kind := range cashboxes() {
					key := c.Client().Kind(kind).Key("k")
					send := func(m any, opts ...cluster.EnvelopeOption) (amount, error) {
						if n, ok := m.(tip); ok {
							return amount{}, key.Notify(within(t), n, opts...)
						}
						got, err := cluster.NewRequest[any, amount](key).Request(within(t), m, opts...)
						if err != nil {
							return amount{}, err
						}
						return *got, nil
					}
					for range 3 {
						if _, err := send(tip{2}, cluster.WithID("tip-1")); err != nil {
							t.Error(err)
						}
					}
					if got, err := send(take{0}, cluster.Once()); err != nil || got.Cents != 7 {
						t.Errorf("%s: %+v, %v; want 7", kind, got, err)
					}
					if _, err := send(take{1}, cluster.WithID("order-1")); !errors.Is(err, cluster.ErrIDReused) || cluster.OutcomeOf(err) != cluster.NotStarted || !strings.Contains(err.Error(), `ID "order-1"`) {
						t.Errorf("%s: another command: %v", kind, err)
					}
				}
			})
		}
	})
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestCommandAndHandlerTimeout: a handler takes longer than the node allows. The client of a
// command tries again, and gets the reply of the first try, which has run once; without an ID
// the caller is told that the request may have run.
func TestCommandAndHandlerTimeout(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, tr testkit.TransportKind) {
		for _, live := range []bool{false, true} {
			runs, release := make(chan string, 100), make(chan struct{})
			const limit = 200 * time.Millisecond
			slow := actor.Define("till", func(string) *cashbox { return &cashbox{} }, actor.Durable(actor.Persistence{}),
				actor.OnRequest(func(u *cashbox, c *actor.Context, m take) (amount, error) {
					runs <- c.Message().ID
					<-release
					return u.take(c, m)
				}))
			c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: tr, Live: live, Timing: noLeaseEnds, Limits: transport.Limits{HandlerTimeout: limit},
				Kinds: map[string]cluster.ServerHandlerFunc{"till": cluster.NewActorHandler(slow.New)}})
			key := cluster.NewRequest[take, amount](c.Client().Kind("till").Key("k"))
			// anew asks again what a busy machine has not begun, or has not ended, within the limit.
			anew := func(m take, tooLong func(error) bool) (*amount, error) {
				for {
					got, err := key.Request(within(t), m)
					if !errors.Is(err, cluster.ErrHandlerTimeout) || !tooLong(err) {
						return got, err
					}
				}
			}
			_, err := anew(take{1}, func(err error) bool { return cluster.OutcomeOf(err).NeverRan() })
			wantError(t, err, cluster.ErrHandlerTimeout, cluster.MaybeRan)
			go func() { // ends with the second run
				for id := range runs {
					if id != "" {
						<-time.After(limit + 150*time.Millisecond) // the client's first try has ended
						close(release)
						return
					}
				}
			}()
			release <- struct{}{}
			got, err := key.Request(within(t), take{5}, cluster.WithID("order-1"))
			if err != nil || got.Cents != 6 {
				t.Errorf("live %v: %v, %v", live, got, err)
			}
			got, err = anew(take{0}, func(error) bool { return true })
			if err != nil || got.Cents != 6 {
				t.Errorf("live %v: %v, %v", live, got, err)
			}
			for len(runs) > 0 {
				if id := <-runs; id != "" {
					t.Errorf("live %v: %s has run again", live, id)
				}
			}
		}
	})
}
