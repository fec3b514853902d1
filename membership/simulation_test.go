package membership

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds = flag.Int("seeds", 100, "how many seeds the simulation runs")
	from  = flag.Uint64("from", 1, "the first of them")
)

func asWritten() faults {
	return faults{
		nodes: 5, shards: 12, drift: 0.01, drop: 0.01, late: 0.015, zombies: 0.003,
		nemesis: true, noise: 100 * time.Second, end: 160 * time.Second,
	}
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
	if f.plannedFor {
		w.after(15*time.Second, w.plan)
	}
	w.run()
	w.check()
	return w
}

// strike does something to a node or to the store, until the noise ends.
func (w *world) strike() {
	if w.now > w.f.noise-15*time.Second {
		for _, n := range w.nodes { // all come back
			if !n.up {
				w.after(w.upTo(10*time.Second), func() {
					if !n.up {
						n.start()
					}
				})
			}
		}
		return
	}
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch kind := w.rng.IntN(7); {
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
				n.resume()
			}
		})
	case kind == 3:
		n.cut = w.now + w.upTo(25*time.Second)
		n.touched = n.cut
	case kind == 4:
		w.store.down = w.now + w.upTo(25*time.Second)
	case kind == 5 && !n.paused && !n.leaving:
		n.leave()
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
	if !n.up {
		n.start()
	} else if !n.leaving && up > 1 {
		n.leave()
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

func (w *world) String() string {
	return fmt.Sprintf("acknowledged %d, may have run %d, never ran %d; deaths %d, of the innocent %d; turns that outlived their epoch %d",
		w.acked, w.maybe, w.never, w.deaths, w.innocent, w.overlaps)
}

// TestSimulation: whatever happens, one owner per shard and epoch, and outcomes
// that are true.
func TestSimulation(t *testing.T) {
	bad, first, seed, sum := forSeeds(*from, *seeds, asWritten())
	t.Logf("%d seeds from %d: %v", *seeds, *from, sum)
	if bad > 0 {
		t.Errorf("%d of %d seeds are bad; the first, %d (-run %s -seeds 1 -from %d):\n%s", bad, *seeds, seed, t.Name(), seed, first.verdict())
	}
	if sum.acked < 100**seeds {
		t.Errorf("only %d requests were acknowledged: the simulation does too little", sum.acked)
	}
}

// TestPlannedMoves: joins and leaves fail no request.
func TestPlannedMoves(t *testing.T) {
	f := faults{nodes: 5, shards: 12, drift: 0.01, plannedFor: true, end: 90 * time.Second}
	bad, first, seed, sum := forSeeds(*from, max(1, *seeds/5), f)
	t.Logf("%v", sum)
	if bad > 0 {
		t.Errorf("%d seeds are bad; the first, %d:\n%s", bad, seed, first.verdict())
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

// TestMutants: each rule that is broken is noticed.
func TestMutants(t *testing.T) {
	for name, b := range map[string]broken{
		"lease from the answer":     {ackLease: true},
		"no guard":                  {noGuard: true},
		"no drain":                  {noDrain: true},
		"writes without a check":    {blindWrites: true},
		"claims from the living":    {claimAlive: true},
		"retries what may have run": {retryMaybe: true},
		"keeps what it has lost":    {keepsLost: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := asWritten()
			f.broken, f.late = b, 0.08
			for seed := uint64(1); ; seed += 10 {
				if bad, _, _, _ := forSeeds(seed, 10, f); bad > 0 {
					return
				}
				if seed > 2000 {
					t.Fatal("2,000 seeds have not noticed it")
				}
			}
		})
	}
}

// TestOutageIsNobodysFault: after time in which the store did not work, nobody is
// declared dead who has come to no harm.
func TestOutageIsNobodysFault(t *testing.T) {
	if _, _, _, sum := forSeeds(1, 50, asWritten()); sum.innocent > 0 || sum.deaths == 0 {
		t.Errorf("of %d deaths %d are of the innocent", sum.deaths, sum.innocent)
	}
	f := asWritten()
	f.broken.noBlind = true
	if _, _, _, sum := forSeeds(1, 50, f); sum.innocent == 0 {
		t.Error("without the rule nobody innocent dies either: the test shows nothing")
	}
}
