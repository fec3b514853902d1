package handlers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
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

// TestEachCommandOnce sends each command until it has succeeded, some of them twice at a time,
// to keys that leave, are evicted and move, over a store that delays, refuses and loses answers.
// Each takes effect once, and all of its tries have the same reply.
func TestEachCommandOnce(t *testing.T) {
	for seed := range uint64(30) {
		for name, form := range durableForms {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { simulateCommands(t, seed, form) })
			})
		}
	}
}

func simulateCommands(t *testing.T, seed uint64, form func(actor.Persistence, handlers.Options) transport.HandlerFunc) {
	store := &moody{Store: memstate.New(), rnd: rand.New(rand.NewPCG(seed, 1))}
	k := shards.New(shards.Options{Store: store})
	k.Open(0, state.Owner{})
	n := newNode(t, memtransport.Options{})
	behind := []time.Duration{0, 0, time.Minute}[seed%3]
	h := form(actor.Persistence{Behind: behind}, handlers.Options{CacheSize: 2, IdleAfter: 50 * time.Millisecond})
	call := n.serve(t, h, hosting.Setup{Kind: "account", Keeper: k})
	const keys, callers, rounds = 3, 6, 60
	var mu sync.Mutex
	replies, sums, tries := map[string]string{}, map[string]int{}, 0
	send := func(id, key, typ string) {
		for {
			reply, err := call(t.Context(), transport.Envelope{Type: typ, Key: key, Data: []byte(`{"N":1}`), ID: id})
			mu.Lock()
			tries++
			if err == nil {
				if first, ok := replies[id]; !ok {
					replies[id] = string(reply)
					sums[key]++
				} else if first != string(reply) {
					t.Errorf("command %s of %s: %s, and then %s", id, key, first, reply)
				}
			} else if code := outcome.CodeOf(err); code == "id_reused" || code == "expired" || code == "not_durable" {
				t.Errorf("command %s of %s: %v", id, key, err)
			}
			mu.Unlock()
			if err == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	var wg sync.WaitGroup
	for i := range callers {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)+2))
		wg.Go(func() {
			for r := range rounds {
				id, key := fmt.Sprint(i, "-", r), strconv.Itoa(rnd.IntN(keys))
				typ := []string{"deposit", "deposit", "deposit", "leave"}[rnd.IntN(4)]
				var twice sync.WaitGroup
				for range 1 + rnd.IntN(2) {
					twice.Go(func() { send(id, key, typ) })
				}
				if rnd.IntN(4) == 0 {
					_, _ = call(t.Context(), transport.Envelope{Type: []string{"burst", "spoil", "look"}[rnd.IntN(3)], Key: key, Data: []byte(`{"N":1}`)})
				}
				twice.Wait()
				if rnd.IntN(8) == 0 {
					time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
				}
				send(id, key, typ)
			}
		})
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(stopped)
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
				_ = hosting.EndShard(ctx, n.life, 0, false) // in vain, often
				cancel()
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-stopped
	time.Sleep(time.Minute)
	for key, sum := range sums {
		if stored := store.balance(key); stored != sum {
			t.Errorf("%s: %d commands, and a balance of %d", key, sum, stored)
		}
	}
	if len(replies) != callers*rounds || tries < 2*callers*rounds {
		t.Errorf("%d commands, %d tries", len(replies), tries)
	}
	n.end()
	if err := k.Close(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
