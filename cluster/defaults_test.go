package cluster

import (
	"testing"

	"github.com/clstr-go/clstr/internal/dispatch"
)

// TestBoundsByDefault: a node without options has those of the README; -1 is none.
func TestBoundsByDefault(t *testing.T) {
	o := NodeOptions{}.withDefaults()
	if o.MaxInFlight != 65_536 || o.MaxInFlightBytes != 256<<20 || o.MaxBytesPerKey != 16<<20 {
		t.Errorf("%d messages, %d bytes, %d of a key", o.MaxInFlight, o.MaxInFlightBytes, o.MaxBytesPerKey)
	}
	o = NodeOptions{MaxInFlight: -1, MaxInFlightBytes: -1, MaxBytesPerKey: -1}.withDefaults()
	if o.MaxInFlight != -1 || o.MaxInFlightBytes != -1 || o.MaxBytesPerKey != -1 {
		t.Errorf("without bounds: %d messages, %d bytes, %d of a key", o.MaxInFlight, o.MaxInFlightBytes, o.MaxBytesPerKey)
	}
	if dispatch.DefaultMaxInFlightBytes != 256<<20 || dispatch.DefaultMaxBytesPerKey != 16<<20 {
		t.Error("handlers that no node gives a lifetime have other bounds")
	}
}
