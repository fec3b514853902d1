package keeper

import (
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// holding is a store that answers changes when it is told to.
type holding struct {
	*memstate.Store
	hold  bool
	waits []func(state.Rev, error)
}

func (h *holding) Commit(c state.Change, done func(state.Rev, error)) {
	if h.hold {
		h.waits = append(h.waits, done)
		return
	}
	h.Store.Commit(c, done)
}

// BenchmarkInFlight is what 10,000 changes cost that wait for the store, without what the store
// itself needs.
func BenchmarkInFlight(b *testing.B) {
	const n = 10_000
	cs := make([]state.Change, n)
	for i := range cs {
		cs[i] = set(strconv.Itoa(i), 1)
	}
	for b.Loop() {
		s := &holding{Store: memstate.New()}
		k := New(Options{Store: s})
		k.Open(7, state.Owner{})
		if _, _, err := k.Read(b.Context(), 7, state.Range{Shard: 7, Kind: "k", Key: "a"}); err != nil {
			b.Fatal(err)
		}
		s.hold, s.waits = true, make([]func(state.Rev, error), 0, n)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		var wg sync.WaitGroup
		wg.Add(n)
		done := func(state.Rev, error) { wg.Done() }
		for i := range cs {
			k.Commit(7, cs[i], done)
		}
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/n, "B/change")
		for _, answer := range s.waits {
			answer(1, nil)
		}
		wg.Wait()
	}
}
