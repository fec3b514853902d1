package cluster_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

func spareCalls(t *testing.T, seed uint64, calls int, funcs bool, node, client cluster.Transport) {
	s := &spares{funcs: funcs}
	def := actor.Define("spare", func(string) *spareKey { return &spareKey{s} },
		actor.OnRequestLater((*spareKey).ask), actor.OnRequest((*spareKey).now), actor.OnNotify((*spareKey).tell))
	h := cluster.NewActorHandler(def.New)
	if funcs {
		h = cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return s.spareFunc, nil })
	}
	end := startNode(t, cluster.NodeOptions{
		NodeID: "node-1", Transport: node, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: h,
		BaseContext: context.WithValue(context.Background(), spareBase{}, "base"),
	})
	s.client = newClient(t, cluster.ClientOptions{Transport: client, NumShards: 4})
	var stop atomic.Bool
	var ghosts, callers sync.WaitGroup
	for range 2 {
		ghosts.Go(func() { s.haunt(&stop) })
	}
	for c := range 4 {
		r := rand.New(rand.NewPCG(seed, uint64(c)))
		callers.Go(func() { s.caller(s.client, c<<20, calls, r, funcs) })
	}
	callers.Wait()
	stop.Store(true)
	ghosts.Wait()
	end() // some callers have left, and sent notifications: their handlers may have yet to run
	s.late.Wait()
	if f := s.fault.Load(); f != nil {
		t.Error(*f)
	}
}

func TestNothingOfACallReachesAnother(t *testing.T) {
	t.Run("typed", func(t *testing.T) { spareInMemory(t, 1, 200, false) })
	t.Run("funcs", func(t *testing.T) { spareInMemory(t, 2, 200, true) })
	url := testkit.StartNATS(t)
	for what, funcs := range map[string]bool{"typed": false, "funcs": true} {
		t.Run(what+" over NATS", func(t *testing.T) {
			var ends [2]*natstransport.Transport
			for i := range ends {
				tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Prefix: what, Log: quiet})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = tr.Close() })
				ends[i] = tr
			}
			spareCalls(t, 3, 40, funcs, ends[0], ends[1])
		})
	}
}

func spareInMemory(t *testing.T, seed uint64, calls int, funcs bool) {
	tr := cluster.NewInMemoryTransport().WithLog(quiet)
	t.Cleanup(func() { _ = tr.Close() })
	spareCalls(t, seed, calls, funcs, tr, tr)
}

func FuzzNothingOfACallReachesAnother(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, funcs bool) { spareInMemory(t, seed, 50, funcs) })
}
