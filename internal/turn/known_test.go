package turn

import (
	"math/rand/v2"
	"testing"
)

type place struct{ int }

// Running implements Place.
func (*place) Running() *Turn { return nil }

// TestCallsOfATurn has calls come and go at random: those that are there are found, each
// once, and of many others each time.
func TestCallsOfATurn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	by := &Turn{Number: 7}
	all := func(most int) []*Asked {
		s := stripeOf(by.Number)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.some(by.Number, most)
	}
	held := map[*Asked]bool{}
	for step := range 2000 {
		if len(held) == 0 || r.IntN(20) > step/100 {
			held[by.Queue(&place{step})] = true
		} else {
			for a := range held { // any
				a.Leave()
				delete(held, a)
				break
			}
		}
		seen := map[*Asked]bool{}
		for _, a := range all(10_000) {
			if !held[a] || seen[a] {
				t.Fatal("one that has left is there, or one is there twice")
			}
			seen[a] = true
		}
		if len(seen) != len(held) {
			t.Fatalf("%d of %d are there", len(seen), len(held))
		}
		half := len(held)/2 + 1
		first, second := all(half), all(half)
		if len(first) != min(half, len(held)) || len(second) != len(first) || len(held) > half && first[0] == second[0] {
			t.Fatalf("%d and %d of %d, at most %d, are there, from the same on", len(first), len(second), len(held), half)
		}
	}
	for a := range held {
		a.Leave()
	}
	if _, calls := Known(); calls != 0 {
		t.Errorf("%d calls are known", calls)
	}
}

// TestATurnThatEndsTwice: code beside the turn may find it over, and end it once more. What the same turn asks besides
// stays known until it is over itself.
func TestATurnThatEndsTwice(t *testing.T) {
	by := &Turn{Number: 7}
	ask := func() *Turn { return New(1, Key, "", "k", by) }
	a := ask()
	a.End()
	b := ask()
	a.End()
	if _, calls := Known(); calls != 1 {
		t.Errorf("%d calls are known, not the one that goes on", calls)
	}
	c, d := ask(), ask()
	c.End()
	d.End()
	c.End()
	b.End()
	if turns, calls := Known(); turns != 0 || calls != 0 {
		t.Errorf("left are %d turns and %d calls", turns, calls)
	}
}
