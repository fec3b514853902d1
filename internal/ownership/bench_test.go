package ownership

import (
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
)

// BenchmarkAtRest counts what nodes that have nothing to do ask of their store, in
// operations a second of a cluster, under the default timing.
func BenchmarkAtRest(b *testing.B) {
	for _, n := range []int{3, 100} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			for b.Loop() {
				w := newWorld(1, faults{nodes: n, shards: 64, end: 40 * time.Second})
				w.timing = &membership.DefaultTiming
				for _, node := range w.nodes {
					w.after(0, node.start)
				}
				var writes, reads int
				w.after(20*time.Second, func() { writes, reads = w.store.writes, w.store.reads })
				w.run()
				b.ReportMetric(float64(w.store.writes-writes)/20, "writes/s")
				b.ReportMetric(float64(w.store.reads-reads)/20, "reads/s")
			}
		})
	}
}

// BenchmarkStep is a tick of one of 100 nodes with 4,096 shards, which looks at
// all of them.
func BenchmarkStep(b *testing.B) {
	core, err := NewCore(Self{Ref: record.Ref{Name: "node-0", Incarnation: "a"}, Layout: sharding.Layout{NumShards: 4096}})
	if err != nil {
		b.Fatal(err)
	}
	var seen []membership.Entry
	for i := range 100 {
		seen = append(seen, membership.Entry{Key: record.MemberKey(record.Ref{Name: fmt.Sprint("node-", i), Incarnation: "a"}), Rev: uint64(i + 1), Value: record.Encode(record.Member{State: record.Active, LeaseMs: 10_000})})
	}
	core.Step(0, Seen{seen})
	now := time.Duration(0)
	for b.Loop() {
		now += time.Microsecond
		core.Step(now, Tick{})
	}
}
