package host

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// aged makes keys of a host that were used one after the other, in a random order of their numbers.
func aged(a *ages, n int, lapsed func(shard uint32) bool) (cells []*cell) {
	h := &Host{opts: Options{Lapsed: lapsed}}
	cells = make([]*cell, n)
	for _, i := range rand.Perm(n) {
		cells[i] = &cell{key: strconv.Itoa(i), shard: &shard{host: h, id: uint32(i)}}
		cells[i].used.Store(int64(i))
		a.add(cells[i])
	}
	a.clock.Store(int64(n - 1))
	return cells
}

func TestOldestFirst(t *testing.T) {
	var a ages
	if c, _ := a.oldest(); c != nil {
		t.Errorf("of no keys: %v", c)
	}
	cells := aged(&a, 100, nil)
	for _, c := range cells[:50] { // which nothing tells the heap
		a.use(c)
	}
	for i := 50; i < 100; i += 2 {
		a.remove(cells[i])
	}
	var want []*cell
	for i := 51; i < 100; i += 2 {
		want = append(want, cells[i])
	}
	want = append(want, cells[:50]...)
	r := reader{ages: &a, until: a.clock.Load()}
	for i, c := range want {
		if got := r.next(); got != c {
			t.Fatalf("number %d is %v, want %s", i, got, c.key)
		}
	}
	if c := r.next(); c != nil {
		t.Errorf("%s was read twice", c.key)
	}
	r.end()
}

// TestUsedAgain: the key that was used last is noted once, and what is used after a moment of the clock counts as later than that.
func TestUsedAgain(t *testing.T) {
	var a ages
	c, other := new(cell), new(cell)
	for what, use := range []struct {
		c    *cell
		want int64
	}{{c, 1}, {c, 1}, {other, 2}, {other, 2}, {c, 3}} {
		if a.use(use.c); use.c.used.Load() != use.want || a.clock.Load() != use.want {
			t.Errorf("use %d is %d, and the clock %d: want %d", what, use.c.used.Load(), a.clock.Load(), use.want)
		}
	}
	moment := a.now()
	if c.used.Load() > moment {
		t.Errorf("the moment %d is before a use at %d", moment, c.used.Load())
	}
	if a.use(c); c.used.Load() <= moment {
		t.Errorf("a use at %d does not come after the moment %d", c.used.Load(), moment)
	}
}

// TestKeysOfALapsedShardKeepTheirAge: a reader passes over them, and the next one finds them where
// they were, or where their use since then has put them. Those that have gone stay away.
func TestKeysOfALapsedShardKeepTheirAge(t *testing.T) {
	var a ages
	var lapsed atomic.Bool
	cells := aged(&a, 6, func(shard uint32) bool { return shard%2 == 0 && lapsed.Load() })
	read := func(meanwhile func()) (keys []string) {
		r := reader{ages: &a, until: a.clock.Load()}
		for c := r.next(); c != nil; c = r.next() {
			keys = append(keys, c.key)
		}
		meanwhile()
		r.end()
		return keys
	}
	lapsed.Store(true)
	if keys := read(func() { a.use(cells[0]); a.remove(cells[4]) }); !slices.Equal(keys, []string{"1", "3", "5"}) {
		t.Errorf("without the lease of the others: %v", keys)
	}
	lapsed.Store(false)
	if keys := read(func() {}); !slices.Equal(keys, []string{"2", "1", "3", "5", "0"}) {
		t.Errorf("with the lease again: %v", keys)
	}
}

// TestOldestMendsFewKeys: each round the oldest key goes and another comes, as under a cap. How many
// places of the heap are mended for one must not grow with the keys (BenchmarkCycleShards has
// the time).
func TestOldestMendsFewKeys(t *testing.T) {
	const keys = 1 << 10
	var a ages
	cells := aged(&a, keys, nil)
	listed := func() (all []int64) {
		for _, c := range cells {
			all = append(all, c.place.used)
		}
		return all
	}
	for range 2 * keys {
		before := listed()
		c, used := a.oldest()
		if want := a.clock.Load() - keys + 1; used != want {
			t.Fatalf("found the use %d, but there is %d", used, want)
		}
		mended := 0
		for i, used := range listed() {
			if used != before[i] {
				mended++
			}
		}
		if mended > 1 {
			t.Fatalf("%d keys of %d were mended to find one", mended, keys)
		}
		a.use(c)
	}
}

// TestOldestWhileKeysComeAndGo: what is there is found, whatever happens at the same moment, and what
// has gone is not.
func TestOldestWhileKeysComeAndGo(t *testing.T) {
	var a ages
	cells := aged(&a, 4, func(shard uint32) bool { return shard == 3 })
	var wg sync.WaitGroup
	for _, c := range cells {
		wg.Go(func() {
			for range 2000 {
				a.use(c)
				a.remove(c)
				a.add(c)
			}
			if c != cells[0] && c != cells[3] {
				a.remove(c)
			}
		})
	}
	done := make(chan struct{})
	go func() { // ends with what it reads
		defer close(done)
		for range 5000 {
			r := reader{ages: &a, until: a.clock.Load()}
			for r.next() != nil {
			}
			r.end()
		}
	}()
	wg.Wait()
	<-done
	r := reader{ages: &a, until: a.clock.Load()}
	defer r.end()
	if c := r.next(); c != cells[0] {
		t.Fatalf("found %v", c)
	}
	if c := r.next(); c != nil || len(r.lapsed) != 1 || r.lapsed[0] != cells[3] {
		t.Errorf("found %v, passed over %v", c, r.lapsed)
	}
}

// TestAgesGiveRoomBack when most keys of a peak have gone.
func TestAgesGiveRoomBack(t *testing.T) {
	var a ages
	for i, c := range aged(&a, 5000, nil)[:4900] {
		if oldest, _ := a.oldest(); oldest != c {
			t.Fatalf("the oldest is %s, want %d", oldest.key, i)
		}
		a.remove(c)
	}
	if n := cap(a.heap); n > 800 {
		t.Errorf("room for %d keys, 100 are there", n)
	}
}
