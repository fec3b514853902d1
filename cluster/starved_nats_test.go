package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// patientLease is a timing that takes nothing from a node that stands still for less than a minute.
var patientLease = membership.Timing{Lease: time.Minute, Settle: 200 * time.Millisecond, Residency: time.Millisecond, Poll: 200 * time.Millisecond}

// TestStarvedNode: a node stands still for longer than its callers wait for a sign of life, and goes on within its lease.
// Its callers are told, each what is true of its call, and the node keeps its shards.
func TestStarvedNode(t *testing.T) {
	testkit.CheckLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	way := natstest.StartNetwork(t, url)
	entered, gate := make(chan struct{}, 1), make(chan struct{})
	var held, counted atomic.Int32
	handler := func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		switch env.Type {
		case "Hold":
			held.Add(1)
			entered <- struct{}{}
			<-gate
		case "Count":
			counted.Add(1)
		}
		return env.Data, nil
	}
	with := func(o *cluster.NodeOptions) { o.Timing, o.Handler = patientLease, handler }
	a, stopA := overNATS(ctx, t, "a", url, natstransport.Options{URL: url}, with)
	b, stopB := overNATS(ctx, t, "b", way.URL(), natstransport.Options{URL: way.URL(), NATSOptions: []nats.Option{nats.PingInterval(time.Hour)}}, with)
	tr, err := natstransport.Open(ctx, natstransport.Options{URL: url, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: livingShards})
	for _, n := range []*cluster.Node{a, b} {
		until(ctx, t, n, func(h cluster.Health) bool { return h.Serving && h.ShardsOwned > 0 && h.ShardsOwned == h.ShardsWanted })
	}
	answered(ctx, t, client)
	shard := uint32(0)
	for ; ; shard++ {
		if info, err := client.Shard(shard).GetNodeInfo(ctx); err != nil {
			t.Fatal(err)
		} else if info.NodeID == "b" {
			break
		}
	}
	owned := b.Health().ShardsOwned

	call := func(name string) <-chan error {
		told := make(chan error, 1)
		go func() { // ends when it is told of b
			_, err := client.RequestShard(ctx, shard, name, nil)
			told <- err
		}()
		return told
	}
	begun := call("Hold")
	<-entered
	way.Hold()
	sent := call("Count")
	for what, told := range map[string]<-chan error{"that b has begun": begun, "that is sent meanwhile": sent} {
		if err := <-told; !errors.Is(err, cluster.ErrConnectionLost) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("the call %s ends with %v (%v)", what, err, cluster.OutcomeOf(err))
		}
	}
	way.Release()
	close(gate)
	until(ctx, t, b, func(h cluster.Health) bool { return h.Serving && h.ShardsOwned == owned })
	answered(ctx, t, client)
	if info, err := client.Shard(shard).GetNodeInfo(ctx); err != nil || info.NodeID != "b" {
		t.Errorf("shard %d is served by %v, %v", shard, info, err)
	}
	if h, c := held.Load(), counted.Load(); h != 1 || c > 1 {
		t.Errorf("the first call ran %d times, the second %d times", h, c)
	}
	if err := errors.Join(stopB(), stopA(), tr.Close()); err != nil {
		t.Error(err)
	}
}

// TestFloodOverNATS: a node to which more is sent than it takes hears all the while, keeps its shards, and renews its
// lease.
func TestFloodOverNATS(t *testing.T) {
	testkit.CheckLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	log := &written{}
	n, stop := overNATS(ctx, t, "a", url, natstransport.Options{URL: url}, func(o *cluster.NodeOptions) {
		o.Timing, o.Log = patientLease, slog.New(slog.NewTextHandler(log, nil))
		o.Timing.Renew = time.Second // so it would count as deaf after two
	})
	tr, err := natstransport.Open(ctx, natstransport.Options{URL: url, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: livingShards})
	until(ctx, t, n, func(h cluster.Health) bool { return h.Serving && h.ShardsOwned == livingShards })
	answered(ctx, t, client)

	flood, stopFlood := context.WithCancel(ctx)
	var floods sync.WaitGroup
	data := make([]byte, 4<<10)
	for i := range 8 {
		floods.Go(func() { // ends with flood
			for flood.Err() == nil {
				_ = client.NotifyShard(flood, uint32(i), "Flood", data, cluster.WithoutAck())
			}
		})
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for range 80 { // four renewals
		<-look.C
		if h := n.Health(); !h.Serving || h.ShardsOwned != livingShards {
			t.Errorf("in the flood it is %+v", h)
		}
	}
	stopFlood()
	floods.Wait()
	answered(ctx, t, client)
	for _, text := range []string{"requests do not reach this node", "lease has ended"} {
		if lines := log.lines(text); len(lines) > 0 {
			t.Errorf("the log says %q", lines)
		}
	}
	if err := errors.Join(stop(), tr.Close()); err != nil {
		t.Error(err)
	}
}
