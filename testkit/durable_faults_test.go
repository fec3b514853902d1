package testkit_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// TestDurableThroughFaults: over a store with every fault, and through crashes and moves at any
// moment, what was acknowledged is there, what has failed is not, and nothing is there twice. Each
// message adds a bit of its own.
func TestDurableThroughFaults(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			store := func() state.Store {
				return testkit.NewStateFaults(seed, testkit.StateRule{Lose: 0.05, LoseAnswer: 0.05, Late: 0.05, Refuse: 0.05, DelayAnswer: 0.1,
					FailRead: 0.1, FailOpen: 0.1, Delay: 0.3, DelayMax: 2 * time.Second}).Store(memstate.New())
			}
			eachPurse(t, actor.Persistence{}, store, func(t *testing.T, e *testkit.Entity, _ *int) {
				rng := rand.New(rand.NewPCG(seed, 7))
				var mu sync.Mutex
				var acked, unknown int
				for round := range 12 {
					var wg sync.WaitGroup
					for i := range 4 {
						bit := 1 << (round*4 + i)
						var opts []cluster.EnvelopeOption
						if i%2 == 0 { // its client tries again what may have run
							opts = append(opts, cluster.Once())
						}
						wg.Go(func() {
							_, err := testkit.Ask[inside](e, putIn{bit}, opts...)
							mu.Lock()
							defer mu.Unlock()
							switch {
							case err == nil:
								acked |= bit
							case cluster.OutcomeOf(err) == cluster.MaybeRan:
								unknown |= bit
							}
						})
					}
					e.Advance(time.Duration(rng.Int64N(int64(3 * time.Second))))
					[]func(){e.Crash, e.Drain, func() {}}[rng.IntN(3)]()
					wg.Wait()
				}
				has := -1
				for has < 0 { // reads fail too
					e.Advance(time.Minute)
					if got, err := testkit.Ask[inside](e, coins{}); err == nil {
						has = got.Coins
					}
				}
				if has&acked != acked || has&^(acked|unknown) != 0 {
					t.Errorf("it has %b; acknowledged %b, unknown %b", has, acked, unknown)
				}
			})
		})
	}
}
