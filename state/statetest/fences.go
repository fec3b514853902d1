// Fences: owners, epochs, clusters, layouts

package statetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

func fence(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	first := open(t, s, 7, state.Owner{}, none)
	must(t, s, set(first, "a", 1, "one"))
	second := open(t, s, 7, state.Owner{}, none)
	if second.N <= first.N || second.By == first.By {
		t.Errorf("token %+v after %+v", second, first)
	}
	wantDeposed(t, s, first)
	wantState(t, s, second, "a", 1, "one")
	must(t, s, set(second, "a", 2, "two"))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.Open(ctx, 7, state.Owner{}, first); !errors.Is(err, state.ErrDeposed) || ctx.Err() != nil {
		t.Errorf("an owner whose successor has stored something moves its fence further: %v", err)
	}
	other := open(t, s, 8, state.Owner{}, none)
	must(t, s, set(other, "a", 1, "of another shard"))
	wantState(t, s, second, "a", 2, "two")
	forged := second
	forged.N, forged.Rev = forged.N+1, forged.Rev+1
	if _, err := commit(t.Context(), s, set(forged, "a", 99, "forged")); !errors.Is(err, state.ErrDeposed) {
		t.Errorf("a change under a token that was never given: %v", err)
	}
}

// wantDeposed: a token that is not the newest changes nothing, reads nothing and is not
// moved further.
func wantDeposed(t *testing.T, s state.Store, token state.Token) {
	t.Helper()
	if _, err := commit(t.Context(), s, set(token, "a", 99, "of a deposed owner")); !errors.Is(err, state.ErrDeposed) {
		t.Errorf("a change under token %+v: %v", token, err)
	}
	if _, _, err := s.Read(t.Context(), token, at(state.Records, token, "a")); !errors.Is(err, state.ErrDeposed) {
		t.Errorf("a read under token %+v: %v", token, err)
	}
}

func fenceFurther(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	o := state.Owner{Cluster: "c1", Epoch: 4}
	first := open(t, s, 7, o, none)
	must(t, s, set(first, "a", 1, "one"))
	second := open(t, s, 7, o, first)
	wantDeposed(t, s, first)
	if second.By != first.By || second.N <= first.N || second.Epoch != 4 {
		t.Errorf("token %+v after %+v", second, first)
	}
	// The answer to that was lost, and it is tried again.
	third := open(t, s, 7, o, first)
	wantDeposed(t, s, second)
	must(t, s, set(third, "a", 2, "two"))
	// An owner that was replaced by another does not take the shard back.
	fourth := open(t, stores(false), 7, o, none)
	for _, held := range []state.Token{third, first} {
		if _, err := s.Open(t.Context(), 7, o, held); !errors.Is(err, state.ErrDeposed) {
			t.Errorf("Open with %+v after %+v: %v", held, fourth, err)
		}
	}
	wantDeposed(t, s, third)
	wantState(t, s, fourth, "a", 2, "two")
}

func epochs(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	old := open(t, s, 7, state.Owner{Cluster: "c1", Epoch: 4}, none)
	token := open(t, stores(false), 7, state.Owner{Cluster: "c1", Epoch: 5}, none)
	if _, err := s.Open(t.Context(), 7, state.Owner{Cluster: "c1", Epoch: 4}, none); !errors.Is(err, state.ErrDeposed) {
		t.Errorf("an owner of an earlier epoch: %v", err)
	}
	wantDeposed(t, s, old)
	must(t, s, set(token, "a", 1, "one"))
	if token = open(t, s, 7, state.Owner{Cluster: "c1", Epoch: 5}, none); token.Epoch != 5 {
		t.Errorf("token %+v in epoch 5", token)
	}
	wantState(t, s, token, "a", 1, "one")
	if r := record(t, s, token, "a"); r != nil && r.Epoch != 5 {
		t.Errorf("the record is of epoch %d, want 5", r.Epoch)
	}
	// Of two that open a shard in one epoch the last owns it.
	a := open(t, s, 9, state.Owner{Cluster: "c1", Epoch: 1}, none)
	open(t, s, 9, state.Owner{Cluster: "c1", Epoch: 1}, none)
	wantDeposed(t, s, a)
}

func clusters(t *testing.T, stores func(bool) state.Store) {
	first, second := state.Owner{Cluster: "c1", Epoch: 40}, state.Owner{Cluster: "c2", Epoch: 2}
	s := stores(false)
	list := open(t, s, 1, state.Owner{Epoch: 3}, none)
	must(t, s, set(list, "a", 1, "one"))
	list = open(t, stores(false), 1, state.Owner{Epoch: 1}, none) // no identity: a lower epoch says nothing
	held := open(t, s, 1, first, none)                            // a service that gets a membership
	wantDeposed(t, s, list)
	for _, o := range []state.Owner{second, {Cluster: "c2", Epoch: 41}, {}} {
		for _, shard := range []uint32{1, 2} {
			if _, err := stores(false).Open(t.Context(), shard, o, none); !errors.Is(err, state.ErrOtherCluster) {
				t.Errorf("shard %d opened by %+v: %v", shard, o, err)
			}
		}
	}
	must(t, s, set(held, "a", 2, "two"))
	token := open(t, stores(true), 1, second, none) // epochs start over
	wantDeposed(t, s, held)
	wantState(t, s, token, "a", 2, "two")
	if _, err := stores(false).Open(t.Context(), 1, first, none); !errors.Is(err, state.ErrOtherCluster) {
		t.Errorf("the cluster that was replaced: %v", err)
	}
	if _, err := s.Open(t.Context(), 1, first, held); !errors.Is(err, state.ErrDeposed) {
		t.Errorf("the token of the cluster that was replaced: %v", err)
	}
	open(t, stores(false), 2, second, none)
}

func layouts(t *testing.T, stores func(bool) state.Store) {
	open(t, stores(false), 1, state.Owner{Layout: "8 shards"}, none)
	for _, adopt := range []bool{false, true} {
		if _, err := stores(adopt).Open(t.Context(), 1, state.Owner{Layout: "16 shards"}, none); !errors.Is(err, state.ErrOtherLayout) {
			t.Errorf("another layout: %v", err)
		}
	}
	open(t, stores(false), 2, state.Owner{Layout: "8 shards"}, none)
	open(t, stores(false), 2, state.Owner{}, none)
}

// fenced: each part of a change of a deposed owner is refused.
func fenced(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	old := open(t, s, 7, state.Owner{}, none)
	for range 3 {
		token := open(t, stores(false), 7, state.Owner{}, none)
		for name, c := range parts(old) {
			if _, err := commit(t.Context(), s, c); !errors.Is(err, state.ErrDeposed) {
				t.Errorf("%s of a deposed owner: %v", name, err)
			}
		}
		empty(t, s, token)
		old = token
	}
}

// empty: nothing is stored.
func empty(t *testing.T, s state.Store, token state.Token) {
	t.Helper()
	for p := range state.Places {
		if es := read(t, s, token, state.Range{Place: p, Shard: token.Shard}); len(es) > 0 {
			t.Errorf("there are %v: %+v", p, es)
		}
	}
}

// takenOver: two stores take a shard from each other, and each change that was acknowledged is
// seen by the next owner.
func takenOver(t *testing.T, stores func(bool) state.Store) {
	a, b := stores(false), stores(false)
	last := ""
	for i := range uint64(20) {
		s := a
		if i%2 == 1 {
			s = b
		}
		token := open(t, s, 3, state.Owner{Cluster: "c", Epoch: i + 1}, none)
		if i > 0 {
			wantState(t, s, token, "a", i, last)
		}
		last += "x"
		must(t, s, set(token, "a", i+1, last))
	}
}

// sideBySide: changes of deposed owners among others, given at once, are refused, each for itself.
func sideBySide(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	const shards, keys = 3, 6
	var stale, held []state.Token
	for shard := range uint32(shards) {
		stale = append(stale, open(t, s, shard, state.Owner{}, none))
		held = append(held, open(t, s, shard, state.Owner{}, none))
	}
	for n := range uint64(20) {
		type result struct {
			old bool
			err error
		}
		results := make(chan result, shards*keys*2)
		for key := range keys {
			for shard := range shards {
				for _, old := range []bool{key%2 == 0, key%2 != 0} {
					token, name := held[shard], fmt.Sprint("k", key)
					if old {
						token, name = stale[shard], fmt.Sprint("old", key)
					}
					if old && uint64(shard) == n%(shards+1) {
						results <- result{true, state.ErrDeposed} // now and then all of a shard's are right
						continue
					}
					c := set(token, name, n+1, name)
					if key == 3 {
						c.Events = []state.Event{{Number: n + 1}}
					}
					s.Commit(c, func(_ state.Rev, err error) { results <- result{old, err} })
				}
			}
		}
		for range shards * keys * 2 {
			if r := <-results; r.old != errors.Is(r.err, state.ErrDeposed) || !r.old && r.err != nil {
				t.Errorf("of a deposed owner: %v, answer: %v", r.old, r.err)
			}
		}
	}
	for _, token := range held {
		for key := range keys {
			wantState(t, s, token, fmt.Sprint("k", key), 20, fmt.Sprint("k", key))
			if r := record(t, s, token, fmt.Sprint("old", key)); r != nil {
				t.Errorf("a deposed owner has stored %s", show(r))
			}
		}
	}
}
