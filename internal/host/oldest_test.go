package host

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// aged makes a shard whose least recently used key is of the given age.
func aged(age int64) *shard {
	s := &shard{}
	s.order.oldest.Store(age)
	return s
}

func TestOldestOfShards(t *testing.T) {
	var b byAge
	if s, age := b.oldest(); s != nil || age != never {
		t.Errorf("of no shards: %v, %d", s, age)
	}
	shards := make([]*shard, 100)
	for _, age := range rand.Perm(100) {
		shards[age] = aged(int64(age))
		b.note(shards[age])
		b.note(shards[age]) // it is there
	}
	if len(b.shards.things) != 100 {
		t.Fatalf("%d shards are in the heap", len(b.shards.things))
	}
	for _, s := range shards[:50] { // used meanwhile, which nothing has told the heap
		s.order.oldest.Add(1000)
	}
	for i, s := range shards[50:] {
		if got, age := b.oldest(); got != s || age != int64(50+i) {
			t.Fatalf("got the one of age %d, want %d", age, 50+i)
		}
		switch i % 3 {
		case 0:
			s.order.oldest.Store(never) // it has no key any more
		case 1:
			b.remove(s)
			b.remove(s)
		default:
			s.order.oldest.Add(10_000)
		}
	}
	if got, age := b.oldest(); got != shards[0] || age != 1000 {
		t.Errorf("got age %d, want 1000", age)
	}
	for _, s := range shards {
		s.order.oldest.Store(never)
	}
	if s, _ := b.oldest(); s != nil || len(b.shards.things) != 0 {
		t.Errorf("without keys: %v, and %d in the heap", s, len(b.shards.things))
	}
	shards[7].order.oldest.Store(7)
	b.note(shards[7])
	if s, age := b.oldest(); s != shards[7] || age != 7 {
		t.Errorf("with a key again: age %d", age)
	}
}

// TestOldestMendsFewShards: each round the oldest shard's key goes and another comes,
// as under a cap. How many places of the heap are mended for one must not grow with
// the shards (BenchmarkCycleShards has the time).
func TestOldestMendsFewShards(t *testing.T) {
	const shards = 1 << 10
	var b byAge
	clock := int64(0)
	next := func(s *shard) { clock++; s.order.oldest.Store(clock); b.note(s) }
	all := make([]*shard, shards)
	for i := range all {
		all[i] = &shard{}
		next(all[i])
	}
	listed := func() (ages []int64) {
		for _, s := range all {
			ages = append(ages, s.order.listed)
		}
		return ages
	}
	for range 2 * shards {
		before := listed()
		s, age := b.oldest()
		if age != clock-shards+1 {
			t.Fatalf("found age %d, but there is %d", age, clock-shards+1)
		}
		mended := 0
		for i, age := range listed() {
			if age != before[i] {
				mended++
			}
		}
		if mended > 1 {
			t.Fatalf("%d shards of %d were mended to find one", mended, shards)
		}
		next(s)
	}
}

// TestOldestWhileKeysComeAndGo: a shard that gets a key is found, whatever happens at
// the same moment.
func TestOldestWhileKeysComeAndGo(t *testing.T) {
	var b byAge
	shards := []*shard{aged(never), aged(never), aged(never)}
	var wg sync.WaitGroup
	for i, s := range shards {
		wg.Go(func() {
			for n := range int64(2000) {
				s.order.oldest.Store(3*n + int64(i))
				b.note(s)
				if n%2 == 0 {
					s.order.oldest.Store(never)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { // ends with the last key
		defer close(done)
		for range 20_000 {
			b.oldest()
		}
	}()
	wg.Wait()
	<-done
	for range shards {
		s, _ := b.oldest()
		if s == nil {
			t.Fatal("a shard with a key is not found")
		}
		s.order.oldest.Store(never)
	}
	if s, _ := b.oldest(); s != nil {
		t.Error("a shard is found that has no key")
	}
}

// TestOldestAsAKeyComes: a shard that has no key and gets one as it is taken out is put
// back.
func TestOldestAsAKeyComes(t *testing.T) {
	const rounds = 50_000
	var b byAge
	s := aged(0)
	b.note(s)
	var round, noted atomic.Int64
	go func() { // ends with the last round
		for n := range int64(rounds) {
			for spin := 0; round.Load() <= n; spin++ {
				if spin > 100 {
					runtime.Gosched()
				}
			}
			for range n % 16 {
				round.Load()
			}
			s.order.oldest.Store(n)
			b.note(s)
			noted.Store(n + 1)
		}
	}()
	for n := range int64(rounds) {
		s.order.oldest.Store(never)
		round.Store(n + 1)
		b.oldest()
		for spin := 0; noted.Load() <= n; spin++ {
			if spin > 100 {
				runtime.Gosched()
			}
		}
		if got, age := b.oldest(); got != s || age != n {
			t.Fatalf("round %d: found %v of age %d", n, got, age)
		}
	}
}
