package cluster_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// purse is a durable entity that tells another key what it holds.
type purse struct{ Held int }

// tellOther asks a key of another kind, in the way that How says.
type tellOther struct{ How string }

// TestCallsWaitForTheState: a call that an entity makes of another key leaves when the state that
// the turn has found is stored, whatever kind of call it is. It holds no place among running
// handlers meanwhile. If that state is refused, the call is not sent.
func TestCallsWaitForTheState(t *testing.T) {
	for _, live := range []bool{false, true} {
		for _, how := range []string{"request", "notify", "without ack"} {
			for _, refused := range []error{nil, state.ErrFull} {
				name := map[bool]string{false: "a list, ", true: "live, "}[live] + how + map[bool]string{false: "", true: ", refused"}[refused != nil]
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { callsWait(t, live, how, refused) })
				})
			}
		}
	}
}

func callsWait(t *testing.T, live bool, how string, refused error) {
	tr := memtransport.New(memtransport.Options{MaxConcurrentHandlers: 1}).WithLog(quiet)
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: stateShards})
	store := &switched{Store: memstate.New(), hold: make(chan struct{}), refuse: refused}
	told, heard := make(chan error, 1), make(chan int, 10)
	def := actor.Define("purse", func(string) *purse { return &purse{} }, actor.Durable(actor.Persistence{}),
		actor.OnRequest(func(p *purse, _ *actor.Context, m add) (total, error) {
			p.Held += m.N
			return total{p.Held}, nil
		}),
		actor.OnRequest(func(p *purse, c *actor.Context, m tellOther) (total, error) {
			other := client.Kind("other").Key("o")
			var err error
			switch m.How {
			case "request":
				_, err = cluster.NewRequest[add, total](other).Request(c, add{p.Held})
			case "notify":
				err = other.Notify(c, put{p.Held})
			default:
				err = other.Notify(c, put{p.Held}, cluster.WithoutAck())
			}
			told <- err
			return total{p.Held}, err
		}))
	other := actor.Define("other", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, m add) (total, error) { heard <- m.N; return total{m.N}, nil }),
		actor.OnNotify(func(_ *struct{}, _ *actor.Context, m put) error { heard <- m.N; return nil }))
	opts := cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: stateShards, State: store, Log: quiet,
		Kinds: map[string]cluster.ServerHandlerFunc{"purse": cluster.NewActorHandler(def.New), "other": cluster.NewActorHandler(other.New)}}
	if live {
		opts.Membership = memstore.New()
	} else {
		opts.Shards = cluster.ShardsForNode("a", []string{"a"}, stateShards, "")
	}
	stop := startNode(t, opts)
	p := client.Kind("purse").Key("p")
	added, asked := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := cluster.NewRequest[add, total](p).Request(t.Context(), add{5})
		added <- err
	}()
	synctest.Wait()
	go func() {
		_, err := cluster.NewRequest[tellOther, total](p).Request(t.Context(), tellOther{how})
		asked <- err
	}()
	time.Sleep(time.Second)
	if len(heard) > 0 || len(told) > 0 {
		t.Error("a call has left before what it was computed from was stored")
	}
	if _, err := cluster.NewRequest[add, total](client.Kind("other").Key("x")).Request(t.Context(), add{1}); err != nil {
		t.Errorf("another key, while a turn waits: %v", err)
	}
	<-heard
	close(store.hold)
	err := <-told
	if _, _ = <-added, <-asked; refused == nil {
		if got := <-heard; err != nil || got != 5 {
			t.Errorf("the other key heard %d, with %v", got, err)
		}
	} else if len(heard) > 0 || !errors.Is(err, cluster.ErrNotStored) || cluster.OutcomeOf(err) != cluster.NotSent {
		t.Errorf("a call of what was refused: %v (%v), and %d were heard", err, cluster.OutcomeOf(err), len(heard))
	}
	stop()
	_ = tr.Close()
}

// TestCallThatWaitsForTheStateEnds with its context, and is not sent if its time to live ends meanwhile.
func TestCallThatWaitsForTheStateEnds(t *testing.T) {
	callThatWaitsForTheState(t, context.DeadlineExceeded, func(c *actor.Context, to *cluster.ScopedClient) error {
		ctx, cancel := context.WithTimeout(c, time.Second)
		defer cancel()
		return to.Notify(ctx, put{0})
	})
	callThatWaitsForTheState(t, cluster.ErrEnvelopeExpired, func(c *actor.Context, to *cluster.ScopedClient) error {
		return to.Notify(c, put{0}, cluster.WithTTL(time.Second))
	})
}

func callThatWaitsForTheState(t *testing.T, want error, call func(c *actor.Context, to *cluster.ScopedClient) error) {
	synctest.Test(t, func(t *testing.T) {
		tr, client := memoryOf(t)
		store := &switched{Store: memstate.New(), hold: make(chan struct{})}
		told := make(chan error, 2)
		def := actor.Define("purse", func(string) *purse { return &purse{} }, actor.Durable(actor.Persistence{}),
			actor.OnNotify(func(p *purse, c *actor.Context, m put) error {
				if m.N == 0 {
					return nil
				}
				p.Held += m.N
				told <- call(c, client.Kind("purse").Key("other"))
				return nil
			}))
		stop := startNode(t, cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: stateShards, State: store, Membership: memstore.New(),
			Kinds: map[string]cluster.ServerHandlerFunc{"purse": cluster.NewActorHandler(def.New)}})
		p := client.Kind("purse").Key("p")
		for range 2 {
			if err := p.Notify(t.Context(), put{1}); err != nil {
				t.Error(err)
			}
		}
		if err := <-told; err != nil { // the first finds nothing changed
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if errors.Is(want, context.DeadlineExceeded) && len(told) == 0 {
			t.Error("the call outlasts its context")
		}
		close(store.hold)
		if err := <-told; !errors.Is(err, want) || cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("the second: %v (%v), want %v", err, cluster.OutcomeOf(err), want)
		}
		stop()
		_ = tr.Close()
	})
}
