package turn

import (
	"math/rand/v2"
	"testing"
)

type place struct{ int }

// Running implements Place.
func (*place) Running() *Turn { return nil }

// TestCallsOfATurn adds and removes at random, few and many, each up to three times.
func TestCallsOfATurn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, mostFew, 4 * mostFew} {
		c, held, places := new(calls), map[asked]int{}, make([]asked, size)
		for i := range places {
			places[i] = asked{place: &place{i}}
		}
		for step := range 2000 {
			a := places[r.IntN(size)]
			if n := held[a]; n == 3 || n > 0 && (step/100%2 == 1 || r.IntN(2) == 0) {
				if n == 1 {
					delete(held, a)
				} else {
					held[a]--
				}
				if none := c.remove(a); none != (len(held) == 0) {
					t.Fatalf("none is left: %v, %d are held", none, len(held))
				}
			} else {
				c.add(a)
				held[a]++
			}
			seen := map[asked]bool{}
			for _, a := range c.some(1000) {
				if held[a] == 0 {
					t.Fatal("one that was removed is there")
				}
				seen[a] = true
			}
			if most := size / 2; len(seen) != len(held) || len(c.some(most)) > most {
				t.Fatalf("%d of %d are there, and %d of at most %d", len(seen), len(held), len(c.some(most)), most)
			}
		}
	}
}
