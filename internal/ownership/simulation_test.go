package ownership

import (
	"flag"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/membership"
)

var (
	seeds = flag.Int("seeds", fewer(100), "how many seeds the simulation runs")
	from  = flag.Uint64("from", 1, "the first of them")
)

// fewer is a fifth of a number of seeds under the race detector.
func fewer(seeds int) int {
	if raced {
		return seeds / 5
	}
	return seeds
}

// asWritten is what may go wrong where all are as written.
// All is as it should be 24 s after the last fault: a node is dead after 12.5 s at most, the shards that others have taken then stay
// for a residency of 10 s, and their moves take a while.
func asWritten() faults {
	return faults{
		nodes: 5, shards: 12, drift: 0.01, drop: 0.01, late: 0.015, zombies: 0.003,
		nemesis: true, noise: 100 * time.Second, end: 160 * time.Second, converge: 24 * time.Second,
	}
}

// planned is a network without faults, in which nodes come and go.
func planned() faults {
	return faults{nodes: 5, shards: 12, drift: 0.01, plannedFor: true, end: 90 * time.Second}
}

// vandals is all that may go wrong, and hands that spoil records beside it. Where all nodes
// that knew a member are gone, it counts as dead only after the longest lease.
func vandals() faults {
	f := asWritten()
	f.vandals, f.converge = true, f.converge+membership.CalmTiming.Lease
	f.end += membership.CalmTiming.Lease
	return f
}

// simulate runs one seed.
func simulate(seed uint64, f faults) *world {
	w := newWorld(seed, f)
	for _, n := range w.nodes {
		w.after(w.upTo(10*time.Second), func() {
			if !n.up {
				n.start()
			}
		})
	}
	for i := range 4 {
		w.after(3*time.Second, func() { w.client(i) })
	}
	if f.nemesis {
		w.after(15*time.Second, w.strike)
	}
	if f.losses {
		w.after(15*time.Second, w.lose)
	}
	if f.plannedFor {
		w.after(15*time.Second, w.plan)
	}
	if f.converge > 0 {
		w.after(f.noise, w.watch)
	}
	w.run()
	w.check()
	return w
}

// strike does something to a node or to the store, until the noise ends.
func (w *world) strike() {
	w.faultEnd = max(w.faultEnd, w.now)
	if w.now > w.f.noise-15*time.Second {
		for _, n := range w.nodes { // all come back
			if !n.up || n.leaving {
				w.after(w.upTo(10*time.Second), func() { w.comesBack(n) })
			}
		}
		return
	}
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if w.f.vandals && w.chance(0.5) {
		w.vandalize(uint32(w.rng.IntN(int(w.f.shards))))
		if w.chance(0.5) {
			w.spoilMember()
		}
	}
	switch kind := w.rng.IntN(16) / 2; {
	case kind == 7 && w.chance(0.5):
		n.deafen()
	case kind == 7:
		w.allLeave()
	case !n.up:
		n.start()
	case kind == 0:
		n.kill()
	case kind <= 2 && !n.paused:
		n.paused = true
		gen := n.gen
		w.after(w.upTo(25*time.Second), func() {
			if gen == n.gen {
				n.touched = w.now
				w.faultEnd = max(w.faultEnd, w.now)
				n.resume()
			}
		})
	case kind == 3:
		n.cut = w.now + w.upTo(25*time.Second)
		n.touched = n.cut
		w.faultEnd = max(w.faultEnd, n.cut)
	case kind == 4:
		w.store.down = w.now + w.upTo(25*time.Second)
		w.faultEnd = max(w.faultEnd, w.store.down)
	case kind == 5 && !n.paused && !n.leaving:
		n.leave()
	case kind == 6:
		n.drain()
	}
	w.after(time.Second+w.upTo(8*time.Second), w.strike)
}

// plan lets nodes leave and join, one after the other.
func (w *world) plan() {
	if w.now > w.f.end-30*time.Second {
		for _, n := range w.nodes {
			if !n.up {
				n.start()
			}
		}
		return
	}
	up := 0
	for _, n := range w.nodes {
		if n.up && !n.leaving {
			up++
		}
	}
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if w.chance(0.1) {
		w.allLeave()
	} else if !n.up {
		n.start()
	} else if !n.leaving && up > 1 && w.chance(0.5) {
		n.leave()
	} else if !n.leaving && up > 1 {
		n.drain()
	}
	w.after(500*time.Millisecond+w.upTo(6*time.Second), w.plan)
}

// forSeeds runs n seeds on all processors and returns how many are bad, with the
// first of them.
func forSeeds(from uint64, n int, f faults) (bad int, first *world, seed uint64, sum *world) {
	var next atomic.Uint64
	var mu sync.Mutex
	var wg sync.WaitGroup
	sum = &world{}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // a run leaves little behind, and makes much
	next.Store(from - 1)
	last := from - 1 + uint64(n)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := next.Add(1); s <= last; s = next.Add(1) {
				w := simulate(s, f)
				mu.Lock()
				sum.acked += w.acked
				sum.maybe += w.maybe
				sum.never += w.never
				sum.deaths += w.deaths
				sum.innocent += w.innocent
				sum.overlaps += w.overlaps
				sum.moves += w.moves
				sum.ideal += w.ideal
				sum.vandalized += w.vandalized
				sum.losses += w.losses
				sum.spoiled += w.spoiled
				sum.together += w.together
				sum.successions += w.successions
				sum.hooks += w.hooks
				sum.lastBad = max(sum.lastBad, w.lastBad-w.faultEnd)
				if len(w.bad) > 0 {
					bad++
					if first == nil || s < seed {
						first, seed = w, s
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return bad, first, seed, sum
}

// TestSimulation: whatever happens, one owner per shard and epoch, and outcomes
// that are true.
func TestSimulation(t *testing.T) {
	bad, first, seed, sum := forSeeds(*from, *seeds, asWritten())
	t.Logf("%d seeds from %d: %v", *seeds, *from, sum)
	if bad > 0 {
		t.Errorf("%d of %d seeds are bad; the first, %d (-run %s -seeds 1 -from %d):\n%s", bad, *seeds, seed, t.Name(), seed, first.verdict())
	}
	if sum.successions < *seeds/10 {
		t.Errorf("only %d restarts have taken over from the process before", sum.successions)
	}
	if sum.acked < 100**seeds {
		t.Errorf("only %d requests were acknowledged: the simulation does too little", sum.acked)
	}
	checkMoves(t, sum)
}

// TestVandals: records of shards are removed, and those of shards and members
// overwritten, also with nonsense that can be read, beside all else. No epoch is used twice, no shard is served twice, and all
// are served in the end.
func TestVandals(t *testing.T) {
	f := vandals()
	f.nonsense = true
	bad, first, seed, sum := forSeeds(*from, *seeds, f)
	t.Logf("%d seeds from %d: %d records of shards and %d of members were spoiled; %v", *seeds, *from, sum.vandalized, sum.spoiled, sum)
	if bad > 0 {
		t.Errorf("%d of %d seeds are bad; the first, %d (-run %s -seeds 1 -from %d):\n%s", bad, *seeds, seed, t.Name(), seed, first.verdict())
	}
	if sum.vandalized < 2**seeds || sum.spoiled < *seeds {
		t.Errorf("only %d records of shards and %d of members were spoiled", sum.vandalized, sum.spoiled)
	}
}

// TestPlannedMoves: joins and leaves fail no request.
func TestPlannedMoves(t *testing.T) {
	f := planned()
	bad, first, seed, sum := forSeeds(*from, max(1, *seeds/5), f)
	t.Logf("all nodes left at once %d times; the stop hooks of %d shards were served; %v", sum.together, sum.hooks, sum)
	if bad > 0 {
		t.Errorf("%d seeds are bad; the first, %d (-run %s -seeds 5 -from %d):\n%s", bad, seed, t.Name(), seed, first.verdict())
	}
	checkMoves(t, sum)
}

// checkMoves: shards do not wander. What several comings and goings ask for
// together may be less than what each does.
func checkMoves(t *testing.T, sum *world) {
	t.Helper()
	if sum.ideal == 0 || float64(sum.moves) > 1.25*float64(sum.ideal) {
		t.Errorf("shards have moved %d times, want at most a quarter more than %d", sum.moves, sum.ideal)
	}
}

// TestSameSeedSameRun: a seed that fails can be looked at.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, b := simulate(seed, asWritten()), simulate(seed, asWritten())
		if a.String() != b.String() || a.serial != b.serial || a.store.rev != b.store.rev {
			t.Fatalf("seed %d: %v, %d events, revision %d; then %v, %d events, revision %d", seed, a, a.serial, a.store.rev, b, b.serial, b.store.rev)
		}
	}
}

// TestMutants: each rule that is broken is noticed, where the rules as written
// hold. Those of the core that have no seam here are tested by scripts.
func TestMutants(t *testing.T) {
	rough := func(f *faults) { f.late = 0.08 }
	vandals := func(f *faults) { *f = vandals(); f.late = 0.08 }
	for name, c := range map[string]struct {
		broken broken
		under  func(*faults)
	}{
		"lease from the answer":         {broken{ackLease: true}, func(f *faults) { f.late, f.drift = 0.5, 0.05 }},
		"no margin":                     {broken{noMargin: true}, func(f *faults) { f.drift = 0.095 }},
		"no guard":                      {broken{noGuard: true}, rough},
		"no drain":                      {broken{noDrain: true}, rough},
		"writes without a check":        {broken{blindWrites: true}, rough},
		"claims from the living":        {broken{claimAlive: true}, rough},
		"retries what may have run":     {broken{retryMaybe: true}, rough},
		"keeps what it has lost":        {broken{keepsLost: true}, rough},
		"believes late replicas":        {broken{lyingAsOf: true}, vandals},
		"believes old hints":            {broken{forgetsRev: true}, rough},
		"ends beside others that leave": {broken{noStayer: true}, func(f *faults) { *f = planned() }},
		"counts epochs anew":            {broken{countsAnew: true}, vandals},
		"believes that the living end":  {broken{endsAlive: true}, rough},
		"spares the spoiled":            {broken{sparesSpoiled: true}, vandals},
		"claims from the removed":       {broken{claimsRemoved: true}, vandals},
		"drains without accepted mails": {broken{dropsQueue: true}, func(f *faults) { *f = planned() }},
	} {
		t.Run(name, func(t *testing.T) {
			f := asWritten()
			c.under(&f)
			if bad, first, seed, _ := forSeeds(1, 3, f); bad > 0 {
				t.Fatalf("the rules as written do not hold; seed %d:\n%s", seed, first.verdict())
			}
			f.broken = c.broken
			wantNoticed(t, f)
		})
	}
}

// wantNoticed runs seeds until one is bad. Under the race detector it runs two.
func wantNoticed(t *testing.T, f faults) {
	t.Helper()
	if raced {
		forSeeds(1, 2, f)
		return
	}
	for seed := uint64(1); seed < 2000; seed += 10 {
		if bad, _, _, _ := forSeeds(seed, 10, f); bad > 0 {
			t.Logf("noticed within %d seeds", seed+9)
			return
		}
	}
	t.Error("2,000 seeds have not noticed it")
}

// TestClocksRunApart: up to the bound of the timing nothing happens; far beyond it
// two serve one shard, so the bound is real.
func TestClocksRunApart(t *testing.T) {
	f := asWritten()
	f.drift = 0.09
	if bad, first, seed, _ := forSeeds(1, fewer(20), f); bad > 0 {
		t.Errorf("within the bound, seed %d:\n%s", seed, first.verdict())
	}
	f.drift = 0.4
	wantNoticed(t, f)
}

// TestOutageIsNobodysFault: after time in which the store did not work, no node is
// declared dead that has come to no harm.
func TestOutageIsNobodysFault(t *testing.T) {
	if _, _, _, sum := forSeeds(1, fewer(30), asWritten()); sum.innocent > 0 || sum.deaths == 0 {
		t.Errorf("of %d deaths %d are of the innocent", sum.deaths, sum.innocent)
	}
	f := asWritten()
	f.broken.noBlind = true
	for seed := uint64(1); seed < 200; seed += 5 {
		if _, _, _, sum := forSeeds(seed, 5, f); sum.innocent > 0 {
			return
		}
	}
	t.Error("without the rule nobody innocent dies either: the test shows nothing")
}
