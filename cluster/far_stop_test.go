package cluster_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// lingering is a network where a node that has left stays for a while, as over NATS
// servers that are clustered.
type lingering struct{ *memtransport.Transport }

func (l lingering) Backend() dispatch.Backend { return lingeringBackend{l.Transport.Backend()} }

type lingeringBackend struct{ dispatch.Backend }

// Linger implements dispatch.Backend.
func (lingeringBackend) Linger() time.Duration { return 2 * time.Second }

// TestTimeoutsOfCenturies: timeouts that mean "as long as it takes" overflow in no sum,
// with fixed and with live shards, also where a handler's goroutine stops the node.
func TestTimeoutsOfCenturies(t *testing.T) {
	for _, live := range []bool{false, true} {
		for _, inside := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				tr := lingering{memtransport.New(memtransport.Options{HandlerTimeout: -1}).WithLog(quiet)}
				var stop func() error
				stopped := make(chan error, 1)
				opts := cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: 4, Log: quiet, StopTimeout: math.MaxInt64, Shards: []uint32{0, 1, 2, 3},
					Handler: func(context.Context, cluster.Envelope) ([]byte, error) {
						go func() { stopped <- stop() }() // ends with the node
						return nil, nil
					}}
				if live {
					opts.Shards, opts.Membership, opts.DrainTimeout = nil, memstore.New(), math.MaxInt64
				}
				node := cluster.NewNode(opts)
				var err error
				if stop, err = node.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				if inside {
					if _, err := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}).Key("k").RequestRaw(t.Context(), "x", nil); err != nil {
						t.Error(err)
					}
				} else {
					stopped <- stop()
				}
				if err := <-stopped; err != nil {
					t.Errorf("live %v, from a handler's goroutine %v: %v", live, inside, err)
				}
				time.Sleep(time.Minute)
				_ = tr.Close()
			})
		}
	}
}
