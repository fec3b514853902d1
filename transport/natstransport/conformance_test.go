package natstransport_test

import (
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
	"github.com/clstr-go/clstr/transport/transporttest"
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// maxPayload is the NATS server's default.
const maxPayload = 1 << 20

// harness makes pairs of two connections to one server, each under a prefix of
// its own.
func harness(t testing.TB) transporttest.Harness {
	url := testkit.StartNATS(t)
	var pairs atomic.Int32
	return transporttest.Harness{
		New: func(t testing.TB, limits transport.Limits) transporttest.Pair {
			prefix := fmt.Sprintf("pair%d", pairs.Add(1))
			client := connect(t, natstransport.Options{URL: url, Prefix: prefix})
			server := connect(t, natstransport.Options{
				URL: url, Prefix: prefix,
				MaxConcurrentHandlers: limits.MaxConcurrentHandlers,
				HandlerTimeout:        limits.HandlerTimeout,
				MaxPending:            limits.MaxPending,
			})
			return transporttest.Pair{Client: client, Server: server}
		},
		Features: transporttest.Features{MaxPayload: maxPayload, Epochs: true},
	}
}

// connect makes a transport that ends with the test and says nothing.
func connect(t testing.TB, opts natstransport.Options) *natstransport.Transport {
	t.Helper()
	if opts.Log == nil {
		opts.Log = silent
	}
	tr, err := natstransport.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func TestConformance(t *testing.T) { transporttest.Run(t, harness(t)) }

func BenchmarkTransport(b *testing.B) { transporttest.Benchmark(b, harness(b)) }
