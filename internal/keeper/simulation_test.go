package keeper

import (
	"flag"
	"testing"
)

var (
	seeds = flag.Uint64("seeds", 50, "how many worlds TestSimulation and TestSimulationOfAll let live")
	from  = flag.Uint64("from", 0, "the seed of the first")
)

// TestSimulation: no acknowledged command is lost and none takes effect twice, what was refused
// has had no effect, a turn's mail is stored with its state, and all comes to rest.
func TestSimulation(t *testing.T) { simulate(t, false) }

// TestSimulationOfAll is the same where nodes with leases own the shards: they join, leave, crash and
// lose the way to their records while they go on. Reads show all that was acknowledged before them,
// and nothing that is not stored.
func TestSimulationOfAll(t *testing.T) { simulate(t, true) }

func simulate(t *testing.T, joined bool) {
	ops, ok := 0, 0
	for seed := *from; seed < *from+*seeds; seed++ {
		w := newWorld(seed, "", joined)
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
		dies(t, mutant, false)
	}
}

// TestMutantsOfAll: the same where nodes with leases own the shards.
func TestMutantsOfAll(t *testing.T) {
	for _, mutant := range []string{
		"noFence", "noRefence", "refenceByDeposed", "staleLoad", "guessNo", "guessYes", "deposedMeansNo",
		"readPastGate",  // a read is answered before what it shows is stored
		"readPastLease", // a node answers reads when its lease has ended
	} {
		dies(t, mutant, true)
	}
}

// dies looks for a seed that shows a mutant.
func dies(t *testing.T, mutant string, joined bool) {
	t.Helper()
	for seed := uint64(1); seed <= 400; seed++ {
		if faults := newWorld(seed, mutant, joined).run(); len(faults) > 0 {
			t.Logf("mutant %s: caught by seed %d: %s", mutant, seed, faults[0])
			return
		}
	}
	t.Errorf("mutant %s lives", mutant)
}
