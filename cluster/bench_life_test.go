package cluster_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/cluster"
)

// BenchmarkActivate is the first request of a key.
func BenchmarkActivate(b *testing.B) {
	learnStacks(b, benchCallers)
	n := 0
	next := func() string { n++; return "user-" + strconv.Itoa(n) }
	for _, size := range sizes {
		b.Run(sized(size), func(b *testing.B) {
			payload := make([]byte, size)
			bare(b, func(b *testing.B, root *pactor.RootContext, how ...pactor.PropsOption) {
				props := echoes(how...)
				fromOne(b, func() error {
					pid, err := root.SpawnNamed(props, next())
					if err == nil {
						_, err = root.RequestFuture(pid, payload, time.Minute).Result()
					}
					return err
				})
			})
			for _, f := range forms(size) {
				b.Run(f.name, func(b *testing.B) {
					client := benchCluster(b, f.handle(does{}))
					ctx := context.Background()
					fromOne(b, func() error { return f.ask(ctx, client.Key(next())) })
				})
			}
		})
	}
}

// BenchmarkCycle sends 100,000 keys through a cap of 10,000.
func BenchmarkCycle(b *testing.B) {
	client := benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, 10_000))
	keys := keyNames(100_000)
	ctx := context.Background()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if _, err := client.RequestKey(ctx, keys[n%len(keys)], "Echo", payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleKey reports heap and stack of an active key that has nothing to
// do; ns/op means nothing here.
func BenchmarkIdleKey(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		keys := keyNames(n)
		b.Run(fmt.Sprintf("%d/bare", n), func(b *testing.B) {
			as := bareSystem()
			pids := make([]*pactor.PID, n)
			before := inUse()
			for i, k := range keys {
				pids[i], _ = as.Root.SpawnNamed(pactor.PropsFromProducer(func() pactor.Actor { return echo{} }), k)
			}
			for _, pid := range pids {
				_, _ = as.Root.RequestFuture(pid, payload, time.Minute).Result()
			}
			b.ReportMetric(float64(inUse()-before)/float64(n), "B/key")
			runtime.KeepAlive(pids)
			runtime.KeepAlive(as)
		})
		b.Run(fmt.Sprintf("%d/clstr", n), func(b *testing.B) {
			client := benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, -1))
			before := inUse()
			for _, k := range keys {
				if _, err := client.RequestKey(context.Background(), k, "Echo", payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(inUse()-before)/float64(n), "B/key")
			runtime.KeepAlive(client)
		})
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
