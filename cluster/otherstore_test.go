package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// hearing is a transport whose nodes hear of owners when they start, as over NATS.
type hearing struct {
	*memtransport.Transport
	epochs []uint64
}

func (h hearing) Backend() dispatch.Backend { return hearingBackend{h.Transport.Backend(), h.epochs} }

type hearingBackend struct {
	dispatch.Backend
	epochs []uint64
}

// Served implements dispatch.Backend.
func (b hearingBackend) Served(context.Context) []uint64 { return b.epochs }

// TestTwoStoresUnderOneTransport: a node whose store is not that of the nodes which serve
// under its transport's subjects is refused, and those serve on. Once they have ended, it
// founds a cluster of its own.
func TestTwoStoresUnderOneTransport(t *testing.T) {
	spoil(t, func(t *testing.T, s *spoiling) {
		stop := s.start(s.node("a"))
		other := cluster.NodeOptions{
			NodeID: "b", Transport: hearing{s.tr, []uint64{0, 5, 5}}, NumShards: 16, Handler: echoData, Membership: memstore.New(), Log: s.log,
		}
		n := cluster.NewNode(other)
		if _, err := n.Start(t.Context()); !errors.Is(err, membership.ErrOtherStore) || !strings.Contains(err.Error(), "node a serves") {
			t.Errorf("it starts with %v", err)
		}
		if h := n.Health(); h.Serving || !strings.Contains(h.Error, "natsstore.Options.Prefix") {
			t.Errorf("%+v", h)
		}
		s.wantServed()
		if err := stop(); err != nil {
			t.Error(err)
		}
		began := time.Now()
		stop = s.start(cluster.NewNode(other))
		if waited := time.Since(began); waited < membership.CalmTiming.Lease {
			t.Errorf("it has waited %v for the leases of those that it has heard of", waited)
		}
		s.wantServed()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
