package testkit

import (
	"log/slog"
	"testing"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// The tests look inside where the real thing would take seconds.
var (
	CheckLeaksFor = checkLeaks
	ParseStacks   = parseStacks
)

// ExpectUntil is Expect with another end of the wait.
func (r *Recorder) ExpectUntil(t testing.TB, n int, timeout <-chan time.Time) []Received {
	return r.expect(t, n, timeout)
}

// MemoryEnds makes the two ends of a Cluster's network in memory.
func MemoryEnds(limits transport.Limits, log *slog.Logger) (transport.ClientTransport, transport.ServerTransport, error) {
	n := newMemNetwork(limits, log)
	node, err := n.join("node")
	return n.client(), node, err
}
