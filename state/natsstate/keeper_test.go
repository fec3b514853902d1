package natsstate_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// Servers restart under load. Each change that a keeper has accepted is stored, and stored once: an
// event tells of each.
func TestKeeperThroughRestarts(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, memory := range []bool{false, true} { // side by side, and in groups (of a server that forgets: cut only)
		srv := natstest.Serve(t, server.Options{})
		s := open(t, natsstate.Options{URL: srv.URL(), Memory: memory,
			NATSOptions: []nats.Option{nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0)}})
		k := keeper.New(keeper.Options{Store: s, Lost: func(shard uint32, _ state.Owner, err error) { t.Errorf("shard %d is lost: %v", shard, err) }})
		const shards, keys, rounds = 4, 8, 40
		for shard := range uint32(shards) {
			k.Open(shard, state.Owner{Cluster: "c", Epoch: 1})
		}
		var stored atomic.Int64
		disturbed := make(chan struct{})
		go func() { // the test waits for it
			defer close(disturbed)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for next := int64(keys * rounds / 4); next < keys*rounds; next += keys * rounds / 4 {
				for stored.Load() < next {
					<-tick.C
				}
				if memory {
					_ = s.Conn().ForceReconnect()
				} else {
					srv.Restart()
				}
			}
		}()
		var wg sync.WaitGroup
		for i := range keys {
			shard, key := uint32(i%shards), fmt.Sprint("k", i)
			wg.Go(func() {
				for n := range uint64(rounds) {
					c := set(state.Token{}, key, n+1, "x")
					c.Events = []state.Event{{Number: n + 1}}
					done := make(chan error, 1)
					k.Commit(shard, c, func(_ state.Rev, err error) { done <- err })
					if err := <-done; err != nil {
						t.Errorf("change %d of %s: %v", n+1, key, err)
						return
					}
					stored.Add(1)
				}
			})
		}
		wg.Wait()
		<-disturbed
		for i := range keys {
			shard, key := uint32(i%shards), fmt.Sprint("k", i)
			es, more, err := k.Read(patient(t), shard, state.Range{Place: state.Events, Shard: shard, Kind: "account", Key: key, Most: 1000})
			if err != nil || more || len(es) != rounds {
				t.Errorf("%s: %d events, %v, want %d", key, len(es), err, rounds)
			}
			for n, e := range es {
				if e.Event.Number != uint64(n+1) {
					t.Errorf("%s: event %d is of change %d", key, n+1, e.Event.Number)
				}
			}
		}
		for shard := range uint32(shards) {
			if err := k.Close(patient(t), shard); err != nil {
				t.Error(err)
			}
		}
	}
}
