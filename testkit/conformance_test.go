package testkit_test

import (
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/transporttest"
)

// What a test sees over the network of a Cluster in memory is what every
// transport promises.
func TestMemoryConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		New: func(t testing.TB, limits transport.Limits) transporttest.Pair {
			client, server, err := testkit.MemoryEnds(limits, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return transporttest.Pair{Client: client, Server: server}
		},
		Features: transporttest.Features{MaxPayload: 1 << 20, RefusesUnacked: true, Epochs: true},
	})
}

// Faults without a rule and a partition change nothing.
func TestFaultsConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Harness{
		New: func(_ testing.TB, limits transport.Limits) transporttest.Pair {
			tr := testkit.NewFaults(1).Transport(memtransport.New(memtransport.Options{
				MaxConcurrentHandlers: limits.MaxConcurrentHandlers,
				HandlerTimeout:        limits.HandlerTimeout,
				MaxPending:            limits.MaxPending,
			}).WithLog(slog.New(slog.DiscardHandler)))
			return transporttest.Pair{Client: tr, Server: tr}
		},
		Features: transporttest.Features{MaxPayload: 1 << 20, RefusesUnacked: true, Epochs: true},
	})
}
