package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestUnackedOverNATS: a notification without an acknowledgement that meets a move
// may be lost, and its sender has gone on. It has run once, or the sending end has
// counted it as missed, or a node as refused or failed.
func TestUnackedOverNATS(t *testing.T) {
	m := &lost{ClusterMetrics: cluster.NopClusterMetrics()}
	var ran atomic.Int64
	def := actor.Define("sink", func(string) *struct{} { return new(struct{}) },
		actor.OnNotify(func(*struct{}, *actor.Context, put) error { ran.Add(1); return nil }))
	var missed func() uint64
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Live: true, Timing: noLeaseEnds, Nodes: 2, NumShards: livingShards, Transport: testkit.NATS, Metrics: m, Log: slog.New(slog.DiscardHandler),
		Handler: cluster.NewActorHandler(def.New),
		Wrap: func(tr transport.ClientTransport) transport.ClientTransport {
			missed = tr.(interface{ MissedNotifications() uint64 }).MissedNotifications
			return tr
		},
	})
	c.Settle()
	var sent, refused atomic.Int64
	pause := time.NewTicker(50 * time.Microsecond) // of all callers together
	defer pause.Stop()
	stop := calling(4, func(caller, i int) bool {
		<-pause.C
		sent.Add(1)
		if err := c.Client().Key(fmt.Sprint("key-", (caller*31+i)%100)).Notify(t.Context(), put{1}, cluster.WithoutAck()); err != nil {
			if !cluster.OutcomeOf(err).NeverRan() {
				t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
			}
			refused.Add(1)
		}
		return true
	})
	for _, id := range []string{"node-2", "node-3"} {
		c.StartNode(id)
		c.Settle()
	}
	for _, id := range []string{"node-0", "node-2"} {
		c.StopNode(id)
		c.Settle()
	}
	stop()
	told := func() int64 {
		return ran.Load() + refused.Load() + m.failed.Load() + m.refused.Load() + int64(missed())
	}
	giveUp := time.After(30 * time.Second)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for told() < sent.Load() {
		select {
		case <-again.C:
			continue
		case <-giveUp:
		}
		break
	}
	if told() != sent.Load() {
		t.Errorf("%d sent, of which %d are accounted for", sent.Load(), told())
	}
	t.Logf("%d sent: %d ran, %d refused by nodes, %d failed later, %d missed, %d refused at once",
		sent.Load(), ran.Load(), m.refused.Load(), m.failed.Load(), missed(), refused.Load())
}

// TestClientBeforeTheFirstNode: who asks when no node has ever joined is told at
// once that nobody serves, as with a fixed list; RetryOn waits for one.
func TestClientBeforeTheFirstNode(t *testing.T) {
	server := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	connect := func() *natstransport.Transport {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: server.URL(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	ask := func(retryOn ...error) error {
		client, err := cluster.NewClient(cluster.ClientOptions{Transport: connect(), NumShards: livingShards, RetryOn: retryOn})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = client.RequestKey(ctx, "k", "Echo", nil)
		return err
	}
	if err := ask(); !errors.Is(err, cluster.ErrTransportNoShardSubscriber) || !cluster.OutcomeOf(err).NeverRan() {
		t.Errorf("without a node: %v", err)
	}
	answered := make(chan error, 1)
	go func() { answered <- ask(cluster.ErrTransportNoShardSubscriber) }() // ends with the request
	store, err := natsstore.Open(t.Context(), natsstore.Options{URL: server.URL(), Memory: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	stop, err := cluster.NewNode(cluster.NodeOptions{
		Transport: connect(), Membership: store, NumShards: livingShards, Handler: echoData, Log: slog.New(slog.DiscardHandler),
	}).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("who waits for a node: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
