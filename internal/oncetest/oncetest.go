// The suite of commands with an ID, through the crash of a node

// Package oncetest tests what holds for messages with an ID on every store of state, when a node dies in the
// middle of one. Each store runs it in its own tests. What else may happen is tested in package handlers.
package oncetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// Harness is what the suite must know of a store.
type Harness struct {
	// New makes a new, empty place, and returns a func that opens a store on it, each time for another
	// process. t.Cleanup ends the stores.
	New func(t *testing.T) func() state.Store
}

// Run tests commands on the stores of a harness.
func Run(t *testing.T, h Harness) {
	for _, behind := range []time.Duration{0, -1} {
		t.Run(fmt.Sprintf("CrashBetweenSaveAndEnd, behind %v", behind), func(t *testing.T) { crash(t, h.New(t), behind) })
	}
}

const (
	kind   = "purse"
	shards = 4
)

type purse struct{ Cents int }

type (
	pay  struct{ Cents int } // saves a half of what it does
	move struct{ Cents int } // is answered later; the process that dies never answers it
	look struct{}
	sum  struct{ Cents int }
)

// process is one process with a node, whose messages only its own client sends.
type process struct {
	*testing.T
	key  *cluster.ScopedClient
	goOn chan struct{} // pay has saved, and waits until it is closed
	at   chan struct{} // gets one for each pay that has saved
}

// start starts a process, whose node opens the shards after those of all earlier ones: they are deposed,
// as if they were dead.
func start(t *testing.T, s state.Store, behind time.Duration) *process {
	t.Helper()
	p := &process{T: t, goOn: make(chan struct{}), at: make(chan struct{}, 1)}
	def := actor.Define(kind, func(string) *purse { return &purse{} }, actor.Durable(actor.Persistence{Behind: behind}),
		actor.OnRequest(func(u *purse, c *actor.Context, m pay) (sum, error) {
			u.Cents += m.Cents
			if err := c.Save(); err != nil {
				return sum{}, err
			}
			p.at <- struct{}{}
			<-p.goOn
			u.Cents += m.Cents
			return sum{u.Cents}, nil
		}),
		actor.OnRequestLater(func(u *purse, _ *actor.Context, m move, _ actor.Answer[sum]) error { u.Cents += m.Cents; return nil }),
		actor.OnRequest(func(u *purse, _ *actor.Context, _ look) (sum, error) { return sum(*u), nil }))
	quiet := sparse.New(slog.New(slog.DiscardHandler)) // a node that is deposed says so
	tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
	n := cluster.NewNode(cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: shards, State: s, Log: quiet,
		Shards: slices.Collect(func(yield func(uint32) bool) {
			for id := uint32(0); id < shards && yield(id); id++ {
			}
		}), Kinds: map[string]cluster.ServerHandlerFunc{kind: cluster.NewActorHandler(def.New)}})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- n.Run(ctx) }() // ends with the test
	t.Cleanup(func() {
		cancel()
		<-over // a node that was deposed may have an error
		_ = tr.Close()
	})
	select {
	case <-n.Ready():
	case err := <-over:
		t.Fatal(err)
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		t.Fatal(err)
	}
	p.key = client.Kind(kind).Key("k")
	return p
}

// ask sends a message, and waits for a while.
func ask[M any](p *process, m M, opts ...cluster.EnvelopeOption) (int, error) {
	ctx, cancel := context.WithTimeout(p.Context(), 30*time.Second)
	defer cancel()
	got, err := cluster.NewRequest[M, sum](p.key).Request(ctx, m, opts...)
	if err != nil {
		return 0, err
	}
	return got.Cents, nil
}

func (p *process) want(what string, n int, err error, want int) {
	p.Helper()
	if err != nil || n != want {
		p.Errorf("%s: %d, %v; want %d", what, n, err, want)
	}
}

func (p *process) refused(what string, err error) {
	p.Helper()
	if !errors.Is(err, cluster.ErrBegun) || cluster.OutcomeOf(err) != cluster.MaybeRan {
		p.Errorf("%s: %v, want %v", what, err, cluster.ErrBegun)
	}
}

// crash: a node dies when a command has saved and has not ended, and when another has had its effect and
// is open. The next owners run neither again, also when so many commands follow that the store keeps
// them apart. What has ended keeps its reply.
func crash(t *testing.T, open func() state.Store, behind time.Duration) {
	first := start(t, open(), behind)
	wait := first.goOn
	first.goOn = make(chan struct{})
	close(first.goOn)
	n, err := ask(first, pay{1}, cluster.WithID("ended"))
	first.want("a command that ends", n, err, 2)
	<-first.at
	first.goOn = wait
	ctx, end := context.WithCancel(t.Context())
	moved := make(chan struct{})
	go func() { // ends with ctx
		defer close(moved)
		_, _ = cluster.NewRequest[move, sum](first.key).Request(ctx, move{100}, cluster.WithID("open"))
	}()
	for n := 0; n != 102 && err == nil; {
		n, err = ask(first, look{})
	}
	if err != nil {
		t.Fatal(err)
	}
	paid := make(chan error, 1)
	go func() { _, err := ask(first, pay{10}, cluster.WithID("halved")); paid <- err }() // ends with the process
	<-first.at
	for i := range 3 {
		p := start(t, open(), behind)
		close(p.goOn)
		for range 2 {
			_, err := ask(p, pay{10}, cluster.WithID("halved"))
			p.refused("a command that had saved", err)
			_, err = ask(p, move{100}, cluster.WithID("open"))
			p.refused("a command that was open", err)
			n, err = ask(p, pay{1}, cluster.WithID("ended"))
			p.want("a command that had ended", n, err, 2)
		}
		for j := range 70 {
			n, err = ask(p, look{}, cluster.WithID(fmt.Sprint("look-", i, "-", j)))
			p.want("the state", n, err, 112)
		}
		if i == 0 {
			end()
			<-moved
			close(wait)
			if err := <-paid; err == nil {
				t.Error("a node that was deposed has ended a command")
			}
		}
	}
	end()
}
