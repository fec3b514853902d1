package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	shards "github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestCrashesInCommands: processes die in the middle of commands that save and that are answered later, over
// a store that delays, refuses and loses answers. Callers try each command until it has a reply, or is known
// to have been begun. What is stored in the end is what those have done that ended, and the first part of those
// that did not.
func TestCrashesInCommands(t *testing.T) {
	var begun, ended atomic.Int64
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulateCrashes(t, seed, &begun, &ended) })
		})
	}
	if begun.Load() < 50 || ended.Load() < 1000 {
		t.Errorf("%d commands were begun only, and %d ended: too few", begun.Load(), ended.Load())
	}
}

// life is one process: dead when a later one has opened its shard, though it goes on for a while.
type life struct {
	*node
	keeper *shards.Keeper
	call   caller
	ctx    context.Context
	end    context.CancelFunc
}

func simulateCrashes(t *testing.T, seed uint64, begun, ended *atomic.Int64) {
	store := &moody{Store: memstate.New(), rnd: rand.New(rand.NewPCG(seed, 1))}
	def := actor.Define("account", func(string) *payer { return &payer{} }, actor.Durable(actor.Persistence{Behind: []time.Duration{0, 0, time.Minute}[seed%3]}),
		actor.OnRequest((*payer).add),
		actor.OnRequest(func(p *payer, _ *actor.Context, m deposit) (int, error) { return p.account.add(m.N) }),
		actor.OnRequestLater(func(p *payer, _ *actor.Context, m order, a actor.Answer[int]) error {
			p.Balance += m.N
			time.AfterFunc(time.Duration(store.draw(200))*time.Millisecond, func() { a.Reply(0) })
			return nil
		}))
	var all []*life
	var now atomic.Pointer[life]
	start := func() {
		l := &life{node: newNode(t, memtransport.Options{}), keeper: shards.New(shards.Options{Store: store})}
		l.ctx, l.end = context.WithCancel(t.Context())
		l.keeper.Open(0, state.Owner{})
		l.call = l.serve(t, handlers.NewActorHandlerWithOpts(def.New, handlers.Options{CacheSize: 2, IdleAfter: 50 * time.Millisecond}), hosting.Setup{Kind: "account", Keeper: l.keeper})
		all = append(all, l)
		now.Store(l)
	}
	start()
	const keys, callers, rounds = 3, 5, 40
	var mu sync.Mutex
	sums := map[string]int{}
	send := func(id, key, typ string) {
		for {
			l := now.Load()
			ctx, cancel := context.WithTimeout(l.ctx, 300*time.Millisecond)
			_, err := l.call(ctx, transport.Envelope{Type: typ, Key: key, Data: []byte(`{"N":1}`), ID: id})
			cancel()
			switch {
			case errors.Is(err, outcome.ErrBegun):
				begun.Add(1)
			case err == nil:
				ended.Add(1)
			default:
				time.Sleep(20 * time.Millisecond)
				continue
			}
			mu.Lock()
			defer mu.Unlock()
			if sums[key]++; err == nil && typ == "add" { // both halves
				sums[key]++
			}
			return
		}
	}
	var wg sync.WaitGroup
	for i := range callers {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)+2))
		wg.Go(func() {
			for r := range rounds {
				send(fmt.Sprint(i, "-", r), strconv.Itoa(rnd.IntN(keys)), []string{"add", "add", "deposit", "order"}[rnd.IntN(4)])
			}
		})
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(100+store.draw(400)) * time.Millisecond):
				old := now.Load()
				start()
				if store.draw(2) == 0 {
					time.Sleep(time.Duration(store.draw(50)) * time.Millisecond) // its callers wait for a while
				}
				old.end()
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-stopped
	time.Sleep(10 * time.Second)
	for _, l := range all[:len(all)-1] { // the dead have gone on for long enough, and each step of their idle time is work
		l.node.end()
	}
	time.Sleep(2 * time.Minute)
	for key, sum := range sums {
		if stored := store.balance(key); stored != sum {
			t.Errorf("%s: %d is stored of what adds up to %d", key, stored, sum)
		}
	}
	for _, l := range all {
		l.end()
		l.node.end()
		if err := l.keeper.Close(t.Context(), 0); err != nil {
			t.Error(err)
		}
	}
}
