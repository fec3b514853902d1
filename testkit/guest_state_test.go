package testkit_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// guestStore is a store of state whose code does something else now and then, before or after what was asked.
type guestStore struct {
	state.Store
	does atomic.Pointer[func(method string, after bool)]
}

func (s *guestStore) turn(method string, after bool) {
	if does := s.does.Load(); does != nil {
		(*does)(method, after)
	}
}

func (s *guestStore) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (state.Token, error) {
	s.turn("Open", false)
	defer s.turn("Open", true)
	return s.Store.Open(ctx, shard, o, held)
}

func (s *guestStore) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	s.turn("Read", false)
	defer s.turn("Read", true)
	return s.Store.Read(ctx, t, r)
}

func (s *guestStore) Commit(c state.Change, done func(state.Rev, error)) {
	s.turn("Commit", false)
	s.Store.Commit(c, done)
	s.turn("Commit", true)
}

// TestStateStoreWhoseCodeDoesNotReturn: a store of state that panics, ends the goroutine or blocks costs the calls that need it.
// They fail with an outcome that is true, no other key of the node notices, and the node ends.
func TestStateStoreWhoseCodeDoesNotReturn(t *testing.T) {
	ways := map[string]func(free chan struct{}, c *cluster.Client){
		"panic":  func(chan struct{}, *cluster.Client) { panic("boom") },
		"Goexit": func(chan struct{}, *cluster.Client) { runtime.Goexit() },
		"block":  func(free chan struct{}, _ *cluster.Client) { <-free },
		"call back": func(_ chan struct{}, c *cluster.Client) {
			for _, key := range []string{"k0", "k1", "x"} {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				_, _ = cluster.NewRequest[coins, inside](c.Kind("purse").Key(key)).Request(ctx, coins{})
				_ = c.Kind("purse").Key(key).Notify(ctx, drop{})
				cancel()
			}
		},
	}
	for _, in := range []string{"Open", "Read", "Commit"} {
		for what, does := range ways {
			for _, after := range []bool{false, true} {
				for _, behind := range []time.Duration{0, time.Second} {
					t.Run(fmt.Sprintf("%s in %s, after %v, behind %v", what, in, after, behind), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { guestOfState(t, in, what, after, behind, does) })
					})
				}
			}
		}
	}
}

func guestOfState(t *testing.T, in, what string, after bool, behind time.Duration, does func(free chan struct{}, c *cluster.Client)) {
	store, free := &guestStore{Store: memstate.New()}, make(chan struct{})
	var times atomic.Int64
	var client atomic.Pointer[cluster.Client]
	bad := func(method string, then bool) {
		if method == in && then == after && times.Add(1)%2 == 1 {
			does(free, client.Load())
		}
	}
	if in == "Open" && what != "call back" { // from the node's start
		store.does.Store(&bad)
	}
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Nodes: 1, NumShards: 2, State: store, Log: slog.New(slog.DiscardHandler),
		Kinds: map[string]cluster.ServerHandlerFunc{
			"purse": cluster.NewActorHandler(actor.Define("purse", func(string) *purse { return new(purse) }, actor.OnRequest((*purse).putIn), actor.OnRequest((*purse).coins),
				actor.PassivateAfter(time.Second), actor.Durable(actor.Persistence{Behind: behind})).New),
			"plain": cluster.NewActorHandler(actor.Define("plain", func(string) *purse { return new(purse) }, actor.OnRequest((*purse).putIn)).New),
		},
	})
	client.Store(c.Client())
	store.does.Store(&bad)
	var mu sync.Mutex
	acked, unsure := map[string]int{}, map[string]int{}
	var calls sync.WaitGroup
	for i := range 12 {
		key := fmt.Sprint("k", i%4)
		calls.Go(func() { // ends with its deadline
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := cluster.NewRequest[putIn, inside](c.Client().Kind("purse").Key(key)).Request(ctx, putIn{1})
			mu.Lock()
			defer mu.Unlock()
			switch o := cluster.OutcomeOf(err); {
			case err == nil:
				acked[key]++
			case o == cluster.MaybeRan:
				unsure[key]++
			case o != cluster.NotSent && o != cluster.NotStarted && o != cluster.RanAndFailed:
				t.Errorf("%v (%v)", err, o)
			}
		})
		if _, err := cluster.NewRequest[putIn, inside](c.Client().Kind("plain").Key(key)).Request(t.Context(), putIn{1}); err != nil {
			t.Errorf("a key without state: %v", err)
		}
	}
	calls.Wait()
	time.Sleep(3 * time.Second) // write-behind keys store what they have
	store.does.Store(nil)
	close(free)
	time.Sleep(2 * time.Minute)
	if times.Load() == 0 && (in != "Open" || what != "call back") {
		t.Error("the store was not asked")
	}
	for i := range 4 {
		key := fmt.Sprint("k", i)
		got, err := cluster.NewRequest[coins, inside](c.Client().Kind("purse").Key(key)).Request(t.Context(), coins{})
		if err != nil {
			t.Errorf("%s afterwards: %v", key, err)
		} else if behind == 0 && (got.Coins < acked[key] || got.Coins > acked[key]+unsure[key]) {
			t.Errorf("%s has %d, acknowledged %d, unsure %d", key, got.Coins, acked[key], unsure[key])
		}
	}
}
