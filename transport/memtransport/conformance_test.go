package memtransport_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/transporttest"
)

// harness makes a transport that is both ends. By default its limit on messages is
// that of NATS; it sees at once that nobody serves a shard.
var harness = transporttest.Harness{
	New: func(_ testing.TB, limits transport.Limits) transporttest.Pair {
		tr := memtransport.New(memtransport.Options{
			MaxConcurrentHandlers: limits.MaxConcurrentHandlers,
			HandlerTimeout:        limits.HandlerTimeout,
			MaxPending:            limits.MaxPending,
		}).WithLog(slog.New(slog.NewTextHandler(io.Discard, nil)))
		return transporttest.Pair{Client: tr, Server: tr}
	},
	Features: transporttest.Features{MaxPayload: 1 << 20, RefusesUnacked: true, Epochs: true},
}

func TestConformance(t *testing.T) { transporttest.Run(t, harness) }

func BenchmarkTransport(b *testing.B) { transporttest.Benchmark(b, harness) }
