package keeper

import (
	"flag"
	"slices"
	"testing"
)

var (
	seeds = flag.Uint64("seeds", 50, "how many worlds TestSimulation lets live")
	from  = flag.Uint64("from", 0, "the seed of the first")
)

// TestSimulation: no acknowledged command is lost and none takes effect twice, what was refused
// has had no effect, a turn's mail is stored with its state, and all comes to rest.
func TestSimulation(t *testing.T) {
	ops, ok := 0, 0
	for seed := *from; seed < *from+*seeds; seed++ {
		w := newWorld(seed, "")
		if faults := w.run(); len(faults) > 0 {
			t.Fatalf("seed %d (list: %v): %v", seed, w.list, faults)
		}
		for _, op := range w.ops {
			if ops++; op.ok {
				ok++
			}
		}
	}
	if ok*2 < ops {
		t.Errorf("of %d commands %d succeeded: the simulation shows too little", ops, ok)
	}
}

// TestMutants: a rule that is not kept is noticed.
func TestMutants(t *testing.T) {
	for _, mutant := range []string{
		"noFence",          // the store takes changes under any token
		"noRefence",        // a change in doubt is looked for where it may still arrive
		"refenceByDeposed", // an owner that was replaced takes its shard back
		"staleLoad",        // a key is loaded from a replica that is behind
		"splitChange",      // mail is stored after the state that it came of
		"idApart",          // a command's ID is stored after its effect
		"guessNo",          // a change in doubt is taken for lost
		"guessYes",         // a change in doubt is taken for stored
		"lateAnswers",      // an answer to an earlier try is taken for one to the last
		"deposedMeansNo",   // what is in doubt when the shard is lost is called refused
	} {
		caught := slices.IndexFunc(make([]struct{}, 400), func() func(struct{}) bool {
			seed := uint64(0)
			return func(struct{}) bool {
				seed++
				return len(newWorld(seed, mutant).run()) > 0
			}
		}())
		if caught < 0 {
			t.Errorf("mutant %s lives", mutant)
		} else {
			t.Logf("mutant %s: caught by seed %d", mutant, caught+1)
		}
	}
}
