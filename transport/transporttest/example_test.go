package transporttest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/transporttest"
)

// counting is a transport of one's own: another one, whose requests it counts.
type counting struct {
	*memtransport.Transport
	requests atomic.Int64
}

// Request implements [transport.ClientTransport].
func (c *counting) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	c.requests.Add(1)
	return c.Transport.Request(ctx, env)
}

// A backend proves itself with a harness, which makes pairs of its two ends.
func ExampleHarness() {
	harness := transporttest.Harness{
		New: func(_ testing.TB, limits transport.Limits) transporttest.Pair {
			c := &counting{Transport: memtransport.New(memtransport.Options{
				MaxConcurrentHandlers: limits.MaxConcurrentHandlers,
				MaxPending:            limits.MaxPending,
				HandlerTimeout:        limits.HandlerTimeout,
			})}
			return transporttest.Pair{Client: c, Server: c}
		},
		Features: transporttest.Features{RefusesUnacked: true},
	}
	// These two go into the backend's tests, as TestConformance and
	// BenchmarkTransport.
	_ = func(t *testing.T) { transporttest.Run(t, harness) }
	_ = func(b *testing.B) { transporttest.Benchmark(b, harness) }

	// What the suite does with a pair, in short.
	p := harness.New(nil, transport.Limits{MaxPending: -1})
	ctx := context.Background()
	echo := func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }
	if _, err := p.Server.SubscribeShard(ctx, 7, echo); err != nil {
		fmt.Println(err)
		return
	}
	reply, err := p.Client.Request(ctx, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("hello")})
	fmt.Println(string(reply), err)
	_, err = p.Client.Request(ctx, transport.Envelope{Shard: 8, Type: "Echo"})
	fmt.Println(err)
	fmt.Println(p.Client.(*counting).requests.Load(), "requests,", p.Server.Close())
	// Output:
	// hello <nil>
	// no subscriber for shard: shard 8
	// 2 requests, <nil>
}
