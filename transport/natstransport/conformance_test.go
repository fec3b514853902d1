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

// harness makes pairs on one server, each under a prefix of its own. The ends of a pair are two
// connections, or one if asOne is true.
func harness(t testing.TB, asOne bool) transporttest.Harness {
	url := testkit.StartNATS(t)
	var pairs atomic.Int32
	return transporttest.Harness{
		New: func(t testing.TB, limits transport.Limits) transporttest.Pair {
			opts := natstransport.Options{URL: url, Prefix: fmt.Sprintf("pair%d", pairs.Add(1))}
			server := opts
			server.MaxConcurrentHandlers, server.HandlerTimeout, server.MaxPending = limits.MaxConcurrentHandlers, limits.HandlerTimeout, limits.MaxPending
			p := transporttest.Pair{Server: connect(t, server)}
			if asOne {
				p.Client = p.Server.(*natstransport.Transport)
			} else {
				p.Client = connect(t, opts)
			}
			return p
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

func TestConformance(t *testing.T) { transporttest.Run(t, harness(t, false)) }

// TestConformanceHere: a client on the node's own transport needs no NATS.
func TestConformanceHere(t *testing.T) { transporttest.Run(t, harness(t, true)) }

func BenchmarkTransport(b *testing.B) { transporttest.Benchmark(b, harness(b, false)) }

func BenchmarkTransportHere(b *testing.B) { transporttest.Benchmark(b, harness(b, true)) }
