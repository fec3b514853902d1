package cluster

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership/memstore"
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

// TestTimeoutsByDefault: every wait of a node sees the defaults, also that of a stop from a
// goroutine that a handler has started. With a fixed list nothing is drained shard by shard.
func TestTimeoutsByDefault(t *testing.T) {
	fixed, live := NewNode(NodeOptions{}).opts, NewNode(NodeOptions{Membership: memstore.New()}).opts
	if fixed.StopTimeout != 30*time.Second || fixed.DrainTimeout != 0 {
		t.Errorf("a fixed list: StopTimeout %v, DrainTimeout %v", fixed.StopTimeout, fixed.DrainTimeout)
	}
	if live.StopTimeout != 30*time.Second || live.DrainTimeout != 15*time.Second {
		t.Errorf("with a membership: StopTimeout %v, DrainTimeout %v", live.StopTimeout, live.DrainTimeout)
	}
}
