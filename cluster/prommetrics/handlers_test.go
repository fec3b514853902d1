package prommetrics_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestHandlersAtTheirLimit: the gauges show how many handlers count against MaxConcurrentHandlers, and how many wait for their turn. A
// handler that waits for another key counts as neither.
func TestHandlersAtTheirLimit(t *testing.T) {
	type (
		hold struct{ Key string }
		ask  struct{ Key string }
		done struct{}
	)
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		tr := memtransport.New(memtransport.Options{MaxConcurrentHandlers: 2})
		defer func() { _ = tr.Close() }()
		prommetrics.RegisterTransport(reg, tr)
		client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		def := actor.Define("held", func(string) *account { return new(account) },
			actor.OnRequest(func(*account, *actor.Context, hold) (*done, error) { <-release; return new(done), nil }),
			actor.OnRequest(func(_ *account, c *actor.Context, m ask) (*done, error) {
				return cluster.NewRequest[hold, done](client.Key(m.Key)).Request(c, hold(m))
			}))
		stop, err := cluster.NewNode(cluster.NodeOptions{NodeID: "n1", Transport: tr, NumShards: 1, Shards: []uint32{0}, Handler: cluster.NewActorHandler(def.New)}).Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan error)
		send := func(key string, message any) {
			go func() { // ends with its request
				var err error
				switch m := message.(type) {
				case hold:
					_, err = cluster.NewRequest[hold, done](client.Key(key)).Request(context.Background(), m)
				case ask:
					_, err = cluster.NewRequest[ask, done](client.Key(key)).Request(context.Background(), m)
				}
				answers <- err
			}()
			synctest.Wait()
		}
		is := func(running, waiting float64) {
			t.Helper()
			want(t, reg, []sample{{"handlers_running", "", running}, {"handlers_waiting", "", waiting}})
		}
		is(0, 0)
		send("a", ask{"b"}) // a waits for b, which runs
		is(1, 0)
		send("c", hold{})
		is(2, 0)
		send("d", hold{})
		send("e", hold{})
		is(2, 2)
		for range 4 {
			release <- struct{}{} // two of the four that hold have begun
			synctest.Wait()
		}
		for range 4 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		is(0, 0)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestHandlerLoadOfAForeignTransport: there is nothing to count, and nothing is registered.
func TestHandlerLoadOfAForeignTransport(t *testing.T) {
	var foreign struct{ cluster.Transport }
	if running, waiting, ok := cluster.HandlerLoad(foreign); ok || running != 0 || waiting != 0 {
		t.Errorf("%d run and %d wait at a transport that tells nothing", running, waiting)
	}
	reg := prometheus.NewRegistry()
	prommetrics.RegisterTransport(reg, foreign)
	if got := gather(t, reg); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
