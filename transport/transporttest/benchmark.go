// Benchmark: requests and notifications, by size and by callers

package transporttest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/transport"
)

// benchmarkCallers is how many callers the parallel benchmarks have.
const benchmarkCallers = 64

// Benchmark measures one shard whose handler echoes. Compare the numbers of two
// transports only within one run on one machine.
func Benchmark(b *testing.B, h Harness) {
	for _, size := range []int{64, 1024} {
		env := transport.Envelope{Type: "Echo", Key: "user-123", Data: make([]byte, size)}
		for _, c := range []struct {
			name     string
			delivery transport.Delivery
			callers  int
		}{
			{"request/callers=1", transport.AwaitReply, 1},
			{fmt.Sprintf("request/callers=%d", benchmarkCallers), transport.AwaitReply, benchmarkCallers},
			{"notify/acked", transport.AwaitAccept, 1},
			{"notify/unacked", transport.AwaitNothing, 1},
		} {
			env.Delivery = c.delivery
			b.Run(fmt.Sprintf("%s/bytes=%d", c.name, size), func(b *testing.B) { benchmark(b, h, env, c.callers) })
		}
	}
}

// benchmark sends b.N envelopes and waits until all have been handled.
func benchmark(b *testing.B, h Harness, env transport.Envelope, callers int) {
	p := h.New(b, transport.Limits{MaxPending: -1})
	defer p.Server.Close()
	defer p.Client.Close()
	sub, err := p.Server.SubscribeShard(context.Background(), 0, echo)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var sent atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for sent.Add(1) <= int64(b.N) {
				if _, err := p.Client.Request(context.Background(), env); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := sub.Unsubscribe(); err != nil { // notifications count when they were handled
		b.Fatal(err)
	}
	b.StopTimer()
}
