package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
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

// moody is a store that takes its time, loses answers, and is full now and then.
type moody struct {
	*memstate.Store
	mu  sync.Mutex
	rnd *rand.Rand
}

func (m *moody) draw(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rnd.IntN(n)
}

func (m *moody) Commit(c state.Change, done func(state.Rev, error)) {
	switch m.draw(20) {
	case 0:
		done(0, state.ErrFull)
		return
	case 1: // at once
		m.Store.Commit(c, done)
		return
	}
	lost := m.draw(10) == 0
	before, after := time.Duration(m.draw(20))*time.Millisecond, time.Duration(m.draw(20))*time.Millisecond
	time.AfterFunc(before, func() {
		m.Store.Commit(c, func(rev state.Rev, err error) {
			time.AfterFunc(after, func() {
				if lost {
					rev, err = 0, errors.New("no answer")
				}
				done(rev, err)
			})
		})
	})
}

func (m *moody) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	if t != (state.Token{}) {
		if m.draw(30) == 0 {
			return nil, false, errors.New("no answer")
		}
		time.Sleep(time.Duration(m.draw(10)) * time.Millisecond)
	}
	return m.Store.Read(ctx, t, r)
}

// balance is what is stored of a key at this moment.
func (m *moody) balance(key string) int {
	es, _, err := m.Store.Read(context.Background(), state.Token{}, state.Range{Kind: "account", Key: key})
	if err != nil || len(es) == 0 {
		return 0
	}
	var v struct{ Balance int }
	_ = json.Unmarshal(es[0].Record.State, &v)
	return v.Balance
}

// steal opens the shard as another owner does, and changes a key.
func (m *moody) steal(key string) (changed bool) {
	token, err := m.Store.Open(context.Background(), 0, state.Owner{}, state.Token{})
	if err != nil {
		return false
	}
	r := state.Record{Type: "json"}
	if es, _, _ := m.Store.Read(context.Background(), token, state.Range{Kind: "account", Key: key}); len(es) > 0 {
		r = *es[0].Record
	}
	r.Number, r.State = r.Number+1, fmt.Appendf(nil, `{"Balance":%d}`, m.balance(key)+1)
	m.Store.Commit(state.Change{Token: token, Kind: "account", Key: key, Record: &r}, func(_ state.Rev, err error) { changed = err == nil })
	return changed
}

// TestNothingLeavesBeforeItIsStored drives durable keys with a store that delays, refuses and
// loses answers, while they fail, panic, leave, are evicted and move, and lose their shard to
// another owner that changes them. Each answer is compared
// with what is stored at that moment, and the balances in the end with what was acknowledged.
func TestNothingLeavesBeforeItIsStored(t *testing.T) {
	for seed := range uint64(40) {
		for name, form := range durableForms {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { simulate(t, seed, form) })
			})
		}
	}
}

func simulate(t *testing.T, seed uint64, form func(actor.Persistence, handlers.Options) transport.HandlerFunc) {
	store := &moody{Store: memstate.New(), rnd: rand.New(rand.NewPCG(seed, 1))}
	n := newNode(t, memtransport.Options{})
	var k *shards.Keeper
	k = shards.New(shards.Options{Store: store, Lost: func(uint32, state.Owner, error) {
		time.AfterFunc(50*time.Millisecond, func() { // as a node does
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = hosting.EndShard(ctx, n.life, 0, true)
			k.Open(0, state.Owner{})
		})
	}})
	k.Open(0, state.Owner{})
	call := n.serve(t, form(actor.Persistence{}, handlers.Options{CacheSize: 2, IdleAfter: 50 * time.Millisecond}), hosting.Setup{Kind: "account", Keeper: k})
	const keys, callers, rounds = 4, 6, 40
	var mu sync.Mutex
	acked, maybe := map[string]map[int]bool{}, map[string]int{}
	var wg sync.WaitGroup
	for i := range callers {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)+2))
		wg.Go(func() {
			for range rounds {
				key := strconv.Itoa(rnd.IntN(keys))
				typ := []string{"deposit", "deposit", "deposit", "look", "query", "spoil", "burst", "leave", "note", "save"}[rnd.IntN(10)]
				env := transport.Envelope{Type: typ, Key: key, Data: []byte(`{"N":1}`)}
				if typ == "note" {
					env.Delivery = transport.AwaitAccept
				}
				reply, err := call(t.Context(), env)
				at := store.balance(key)
				mu.Lock()
				adds := typ == "deposit" || typ == "leave"
				switch n, _ := strconv.Atoi(string(reply)); {
				case err == nil && n > at:
					t.Errorf("%s of %s was told %d, and %d is stored", typ, key, n, at)
				case err == nil && adds && acked[key][n]:
					t.Errorf("%d of %s was acknowledged twice", n, key)
				case err == nil && adds:
					if acked[key] == nil {
						acked[key] = map[int]bool{}
					}
					acked[key][n] = true
				case outcome.Of(err) == outcome.MaybeRan || typ == "note" || typ == "save":
					maybe[key]++
				}
				mu.Unlock()
				if rnd.IntN(8) == 0 {
					time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
				}
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
				if key := strconv.Itoa(store.draw(2 * keys)); store.draw(3) > 0 {
					_ = hosting.EndShard(ctx, n.life, 0, false) // in vain, often
				} else if store.steal(key) {
					mu.Lock()
					maybe[key]++
					mu.Unlock()
				}
				cancel()
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-stopped
	time.Sleep(time.Minute)
	for key, all := range acked {
		for v := range all {
			if stored := store.balance(key); v > stored {
				t.Errorf("%d of %s was acknowledged, and %d is stored", v, key, stored)
			}
		}
		if stored := store.balance(key); stored > len(all)+maybe[key] {
			t.Errorf("%s: %d is stored of %d acknowledged changes and %d in doubt", key, stored, len(all), maybe[key])
		}
	}
	n.end()
	if err := k.Close(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
