package state_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/state"
)

func change(key string, number uint64, size int) state.Change {
	return state.Change{Token: state.Token{Shard: 1, N: 1}, Kind: "k", Key: key, Record: &state.Record{Number: number, State: make([]byte, size)}}
}

// gated is what a group stores with: it waits for a word before it returns.
type gated struct {
	goOn   chan struct{}
	mu     sync.Mutex
	groups [][]string
}

func (g *gated) store(cs []state.Change) []state.Result {
	var names []string
	for _, c := range cs {
		names = append(names, fmt.Sprint(c.Key, c.Number()))
	}
	g.mu.Lock()
	g.groups = append(g.groups, names)
	g.mu.Unlock()
	<-g.goOn
	return make([]state.Result, len(cs))
}

// What comes while a group is stored goes together, but two changes of a key do not, and
// nothing beyond the bounds.
func TestGroupGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{goOn: make(chan struct{})}
		group := state.NewGroup(3, 4000, g.store)
		var done []string
		commit := func(key string, n uint64, size int) {
			group.Commit(change(key, n, size), func(_ state.Rev, err error) {
				if err != nil {
					t.Errorf("%s%d: %v", key, n, err)
				}
				done = append(done, fmt.Sprint(key, n))
			})
		}
		commit("a", 1, 1)
		synctest.Wait()
		for _, key := range []string{"b", "c", "d", "e"} {
			commit(key, 1, 1)
		}
		commit("e", 2, 1)
		commit("f", 1, 3000)
		commit("g", 1, 3000)
		close(g.goOn)
		synctest.Wait()
		want := [][]string{{"a1"}, {"b1", "c1", "d1"}, {"e1"}, {"e2", "f1"}, {"g1"}}
		if !slices.EqualFunc(g.groups, want, slices.Equal) {
			t.Errorf("groups %v, want %v", g.groups, want)
		}
		if !slices.Equal(done, slices.Concat(want...)) {
			t.Errorf("done %v", done)
		}
	})
}

// Close waits for what was accepted, and refuses what comes later, as not stored.
func TestGroupCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{goOn: make(chan struct{})}
		group := state.NewGroup(3, 4000, g.store)
		first, second := make(chan error, 1), make(chan error, 1)
		group.Commit(change("a", 1, 1), func(_ state.Rev, err error) { first <- err })
		closed := make(chan struct{})
		go func() { group.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Fatal("Close returns before what was accepted is stored")
		default:
		}
		group.Commit(change("b", 1, 1), func(_ state.Rev, err error) { second <- err })
		if err := <-second; !errors.Is(err, state.ErrClosed) || !state.Refused(err) {
			t.Errorf("after Close: %v", err)
		}
		close(g.goOn)
		<-closed
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// A change that no store takes is refused at once, and disturbs no group.
func TestGroupChecks(t *testing.T) {
	group := state.NewGroup(3, 4000, func([]state.Change) []state.Result {
		t.Error("stored")
		return nil
	})
	got := error(nil)
	group.Commit(change("a", 0, 1), func(_ state.Rev, err error) { got = err })
	if !errors.Is(got, state.ErrInvalid) {
		t.Errorf("got %v", got)
	}
}
