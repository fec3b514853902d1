package cluster_test

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// The yardstick of this package's benchmarks is protoactor alone, in its best form. It starts a
// goroutine per message by default ("bare"). With goroutines that stay ("pooled") it is faster at
// some work and slower at other, so both run, and the ratios are to the faster one.

// echo is an actor of protoactor's.
type echo struct{}

func (echo) Receive(ctx pactor.Context) {
	if m, ok := ctx.Message().([]byte); ok && ctx.Sender() != nil {
		ctx.Respond(m)
	}
}

func bareSystem() *pactor.ActorSystem {
	return pactor.NewActorSystem(pactor.WithLoggerFactory(func(*pactor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}))
}

func echoes(how ...pactor.PropsOption) *pactor.Props {
	return pactor.PropsFromProducer(func() pactor.Actor { return echo{} }, how...)
}

func spawn(root *pactor.RootContext, n int, props *pactor.Props) []*pactor.PID {
	pids := make([]*pactor.PID, n)
	for i := range pids {
		pids[i] = root.Spawn(props)
	}
	return pids
}

// bare runs a benchmark of the yardstick in both forms. how says how its actors are scheduled.
func bare(b *testing.B, f func(b *testing.B, root *pactor.RootContext, how ...pactor.PropsOption)) {
	b.Run("bare", func(b *testing.B) { f(b, bareSystem().Root) })
	b.Run("pooled", func(b *testing.B) {
		p := staying{tasks: make(chan func())}
		b.Cleanup(func() { close(p.tasks) })
		f(b, bareSystem().Root, pactor.WithDispatcher(p))
	})
}

// staying is a dispatcher whose goroutines stay, with the stacks that they have grown.
type staying struct{ tasks chan func() }

func (staying) Throughput() int { return 300 } // protoactor's default

func (p staying) Schedule(f func()) {
	select {
	case p.tasks <- f:
	default:
		go func() { // ends with the benchmark
			for ok := true; ok; f, ok = <-p.tasks {
				f()
			}
		}()
	}
}

// learnStacks parks goroutines on deep stacks until the benchmark ends. At each collection the
// runtime sets the first stack of new goroutines to the average of what it has scanned. A
// benchmark is a small process: without these, each goroutine of the yardstick begins with 2 KiB
// and grows by copying, which no process with a service around it would see.
func learnStacks(b *testing.B, goroutines int) {
	over := make(chan struct{})
	var parked, ended sync.WaitGroup
	for range goroutines {
		parked.Add(1)
		ended.Go(func() { deep(8, func() { parked.Done(); <-over }) }) // ends at over
	}
	parked.Wait()
	b.Cleanup(func() {
		close(over)
		ended.Wait()
	})
	// Each run of a benchmark begins with a collection.
}

// deep calls f below a number of frames of 1 KiB.
//
//go:noinline
func deep(frames int, f func()) byte {
	var frame [1024]byte
	if frames == 0 {
		f()
		return 0
	}
	below := deep(frames-1, f)
	frame[int(below)] = below
	return frame[frames]
}

// fromOne calls f in the loop of a benchmark.
func fromOne(b *testing.B, f func() error) {
	b.ReportAllocs()
	began := processorTime()
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	reportProcessor(b, began, b.N)
}

// spread calls f b.N times from a number of goroutines.
func spread(b *testing.B, callers int, f func(i int) error) {
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	began := processorTime()
	b.ResetTimer()
	for c := range callers {
		wg.Go(func() {
			for i := c * 7919; int(next.Add(1)) <= b.N; i++ {
				if err := f(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	reportProcessor(b, began, b.N)
}

// processorTime is the time that processors have spent on this process.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportProcessor(b *testing.B, began time.Duration, operations int) {
	b.ReportMetric(float64((processorTime()-began).Nanoseconds())/1e3/float64(operations), "cpu-us/op")
}

func keyNames(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "user-" + strconv.Itoa(i)
	}
	return keys
}

// zipf is a sequence of keys of n, some of them much more frequent than others: the first has a
// tenth of all.
func zipf(n int) []int {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(n-1))
	order := make([]int, 1<<16)
	for i := range order {
		order[i] = int(z.Uint64())
	}
	return order
}

// inTurn is the sequence of all keys of n.
func inTurn(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}
