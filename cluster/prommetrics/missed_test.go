package prommetrics_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestMissedNotifications: over NATS, a notification without an acknowledgement to a
// shard that nobody serves is counted, for all transports of the process together.
func TestMissedNotifications(t *testing.T) {
	url, reg := testkit.StartNATS(t), prometheus.NewRegistry()
	for i := range 2 {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		prommetrics.RegisterTransport(reg, tr)
		client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4})
		if err != nil {
			t.Fatal(err)
		}
		want(t, reg, []sample{{"missed_notifications_total", "", float64(3 * i)}})
		leave := serveAll(t, url)
		if _, err := client.RequestKey(t.Context(), "k", "Get", nil); err != nil { // it knows the node from now on
			t.Fatal(err)
		}
		leave()
		for range 3 {
			if err := client.NotifyKey(t.Context(), "k", "Touch", nil, cluster.WithoutAck()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.RequestKey(t.Context(), "k", "Get", nil); !errors.Is(err, cluster.ErrTransportNoShardSubscriber) {
			t.Error(err) // it comes after what is said of the notifications
		}
	}
	want(t, reg, []sample{{"missed_notifications_total", "", 6}})
}

// serveAll serves 4 shards until leave.
func serveAll(t *testing.T, url string) (leave func()) {
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for shard := range uint32(4) {
		if _, err := tr.SubscribeShard(t.Context(), shard, func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTransportOfAService: RegisterTransport takes what a service carries its calls with.
// Over NATS a transport has more counts than in memory.
func TestTransportOfAService(t *testing.T) {
	handlers := []sample{{"handlers_running", "", 0}, {"handlers_waiting", "", 0}}
	counted := []sample{{"dropped_messages_total", "", 0}, handlers[0], handlers[1], {"missed_notifications_total", "", 0}, {"refused_replies_total", "", 0}, {"undecodable_packets_total", "", 0}}
	for name, c := range map[string]struct {
		on   clstr.Network
		want []sample
	}{"memory": {clstr.Memory(), handlers}, "NATS": {clstr.NATS(testkit.StartNATS(t)), counted}} {
		t.Run(name, func(t *testing.T) {
			svc, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: c.on, Shards: 4, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = svc.Close(context.Background()) }()
			reg := prometheus.NewRegistry()
			prommetrics.RegisterTransport(reg, svc.Transport())
			if got := gather(t, reg); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestPacketsAreCounted: what does not decode, and what may not be answered.
func TestPacketsAreCounted(t *testing.T) {
	url, reg := testkit.StartNATS(t), prometheus.NewRegistry()
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	prommetrics.RegisterTransport(reg, tr)
	if _, err := tr.SubscribeShard(t.Context(), 1, func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	foreign, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	subject := natsdial.DefaultPrefix + ".n." + tr.Backend().Address() + "._"
	for range 3 {
		if err := foreign.PublishRequest(subject, "orders.new", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // answered, behind the others
		if _, err := foreign.Request(subject, []byte("\xff\xff"), 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	want(t, reg, []sample{{"refused_replies_total", "", 3}, {"undecodable_packets_total", "", 2}})
}
