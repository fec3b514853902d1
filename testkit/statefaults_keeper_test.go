package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// TestStateFaultsAndTheKeeper: over a store with every fault, what the keeper acknowledges is
// stored, what it refuses is not, and nothing is stored twice.
func TestStateFaultsAndTheKeeper(t *testing.T) {
	var all testkit.StateFaultCounts
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			f := testkit.NewStateFaults(seed, testkit.StateRule{
				Lose: 0.1, LoseAnswer: 0.1, Late: 0.1, Refuse: 0.1, DelayAnswer: 0.1, Double: 0.1, FailRead: 0.1, FailOpen: 0.2,
				Delay: 0.5, DelayMax: 3 * time.Second,
			})
			bare := memstate.New()
			k := keeper.New(keeper.Options{Store: f.Store(bare), Lost: func(shard uint32, _ state.Owner, err error) { t.Errorf("shard %d is lost: %v", shard, err) }})
			k.Open(7, state.Owner{})
			var wg sync.WaitGroup
			acked := make([]uint64, 4)
			for i := range acked {
				wg.Go(func() { acked[i] = changesOf(t, k, seed, fmt.Sprint("key-", i), 30) })
			}
			wg.Wait()
			if err := k.Close(t.Context(), 7); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) // what is late has come
			for i, n := range acked {
				key := fmt.Sprint("key-", i)
				es, _, err := bare.Read(t.Context(), state.Token{}, state.Range{Shard: 7, Kind: "k", Key: key})
				if err != nil || len(es) != 1 || es[0].Record.Number != n {
					t.Errorf("seed %d: %s: change %d was acknowledged last; stored %+v, %v", seed, key, n, es, err)
				}
				mails, _, err := bare.Read(t.Context(), state.Token{}, state.Range{Place: state.Mails, Shard: 7, Kind: "k", Key: key})
				if err != nil || uint64(len(mails)) != n {
					t.Errorf("seed %d: %s: %d mails of %d changes, %v", seed, key, len(mails), n, err)
				}
			}
			got := f.Injected()
			all.Lost, all.AnswersLost, all.Late, all.Refused, all.Doubled = all.Lost+got.Lost, all.AnswersLost+got.AnswersLost, all.Late+got.Late, all.Refused+got.Refused, all.Doubled+got.Doubled
			all.ReadsFailed, all.OpensFailed = all.ReadsFailed+got.ReadsFailed, all.OpensFailed+got.OpensFailed
		})
	}
	for _, n := range []int{all.Lost, all.AnswersLost, all.Late, all.Refused, all.Doubled, all.ReadsFailed, all.OpensFailed} {
		if n == 0 {
			t.Errorf("a fault never happened: %+v", all)
		}
	}
}

// changesOf makes changes of a key, one after the other, each with a mail, and returns the number
// of the last that was acknowledged.
func changesOf(t *testing.T, k *keeper.Keeper, seed uint64, key string, changes int) (n uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for range changes {
		type answer struct{ err error }
		answers := make(chan answer, 2) // an answer too many is found by the mails
		k.Commit(7, state.Change{Kind: "k", Key: key, Record: &state.Record{Number: n + 1},
			Mail: []state.Mail{{Shard: 7, Kind: "k", Key: key}}}, func(_ state.Rev, err error) { answers <- answer{err} })
		switch a := <-answers; {
		case a.err == nil:
			n++
		case !errors.Is(a.err, state.ErrFull):
			t.Errorf("%s: %v", key, a.err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
		if len(answers) > 0 {
			t.Errorf("%s: answered twice", key)
		}
	}
	for { // what it reads, in the end, is what was acknowledged
		es, _, err := k.Read(context.Background(), 7, state.Range{Shard: 7, Kind: "k", Key: key})
		if err == nil {
			if len(es) != 1 || es[0].Record.Number != n {
				t.Errorf("%s: change %d was acknowledged last; read %+v", key, n, es)
			}
			return n
		}
		time.Sleep(time.Second)
	}
}
