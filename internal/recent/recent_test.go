package recent

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestNumbers: what was accepted is known as long as it is new, and nothing else ever is.
func TestNumbers(t *testing.T) {
	var ns Set
	if ns.Has(0) || ns.Has(1) {
		t.Error("it knows what never was")
	}
	r := rand.New(rand.NewPCG(1, 2))
	accepted, highest := map[uint64]bool{}, uint64(0)
	next := uint64(1)
	for range 200_000 {
		switch r.IntN(20) {
		case 0:
			next += r.Uint64N(3 * remembered)
		case 1:
			next -= min(next, r.Uint64N(remembered/2))
		default:
			next++
		}
		if r.IntN(3) > 0 {
			ns.Add(next)
			accepted[next] = true
			highest = max(highest, next)
		}
		for _, n := range []uint64{next, next - min(next, r.Uint64N(2*remembered)), r.Uint64()} {
			if ns.Has(n) && !accepted[n] {
				t.Fatalf("%d was never accepted; the highest is %d", n, highest)
			}
			if accepted[n] && n+remembered/2 > highest && !ns.Has(n) {
				t.Fatalf("%d is forgotten; the highest is %d", n, highest)
			}
		}
	}
	ns.Add(math.MaxUint64)
	if !ns.Has(math.MaxUint64) || ns.Has(highest) {
		t.Error("the last number")
	}
}

// TestFewNumbers: a peer costs what it has sent, not what it may.
func TestFewNumbers(t *testing.T) {
	var ns Set
	ns.Add(1 << 40)
	ns.Add(math.MaxUint64 / 2)
	if n := len(ns.words); n > fewWords {
		t.Errorf("two numbers take %d words", n)
	}
	for n := range uint64(3 * remembered) {
		ns.Add(math.MaxUint64/2 + n)
	}
	if n := len(ns.words); n != remembered/64 {
		t.Errorf("%d numbers take %d words", 3*remembered, n)
	}
}
