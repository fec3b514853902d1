package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

// eachShards runs a test on both transports, with fixed and with live shards.
func eachShards(t *testing.T, f func(t *testing.T, opts testkit.ClusterOptions)) {
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprintf("live=%v", live), func(t *testing.T) {
			testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
				f(t, testkit.ClusterOptions{Nodes: 1, NumShards: 2, Transport: kind, Live: live, Log: slog.New(slog.DiscardHandler)})
			})
		})
	}
}

// TestExtract: what a scoped handler's Extract does hurts its own call only. It is asked
// on a connection's reader over NATS and on the caller's goroutine in memory.
func TestExtract(t *testing.T) {
	eachShards(t, func(t *testing.T, opts testkit.ClusterOptions) {
		opts.Handler = cluster.NewScopedHandler(cluster.ScopedHandlerOpts{
			Extract: func(env transport.Envelope) (string, error) {
				switch env.Type {
				case "Panic":
					panic("payload-1331")
				case "Exit":
					runtime.Goexit()
				case "Fail":
					return "", exiting{}
				}
				return "k", nil
			},
			Create: func(string) (transport.HandlerFunc, error) {
				return func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }, nil
			},
		})
		client := testkit.NewCluster(t, opts).Client()
		for range 3 {
			for name, want := range map[string]cluster.Outcome{"Panic": cluster.MaybeRan, "Exit": cluster.MaybeRan, "Fail": cluster.RanAndFailed} {
				for what, err := range map[string]error{
					"request":              alive(t, func() error { _, err := client.RequestShard(t.Context(), 0, name, nil); return err }),
					"notification":         alive(t, func() error { return client.NotifyShard(t.Context(), 0, name, nil) }),
					"unacked notification": alive(t, func() error { return client.NotifyShard(t.Context(), 0, name, nil, cluster.WithoutAck()) }),
				} {
					if what == "request" && cluster.OutcomeOf(err) != want {
						t.Errorf("%s, %s: %v (%v)", name, what, err, cluster.OutcomeOf(err))
					}
				}
				if reply, err := client.RequestShard(t.Context(), 0, "Echo", []byte("x")); err != nil || string(reply) != "x" {
					t.Fatalf("after %s: %q, %v", name, reply, err)
				}
			}
		}
	})
}

// exiting is an error whose text ends the goroutine.
type exiting struct{}

func (exiting) Error() string { runtime.Goexit(); return "" }

// alive calls f on a goroutine of its own and fails the test if that does not return.
func alive(t *testing.T, f func() error) (err error) {
	t.Helper()
	returned, over := false, make(chan struct{})
	go func() {
		defer close(over)
		err = f()
		returned = true
	}()
	<-over
	if !returned {
		t.Error("the caller's goroutine was ended")
	}
	return err
}

// explosiveMetrics do what they were made for at whatever they are told.
type explosiveMetrics struct {
	cluster.ClusterMetrics
	boom func(method string)
}

type explosiveTimer struct{ explosiveMetrics }

func (m explosiveTimer) ObserveDuration() { m.boom("ObserveDuration") }

func (m explosiveMetrics) RequestDuration(string) metrics.Timer {
	m.boom("RequestDuration")
	return explosiveTimer{m}
}

func (m explosiveMetrics) HandlerDuration(string) metrics.Timer {
	m.boom("HandlerDuration")
	return explosiveTimer{m}
}

func (m explosiveMetrics) RequestCompleted(string, bool)     { m.boom("RequestCompleted") }
func (m explosiveMetrics) NotifyCompleted(string, bool)      { m.boom("NotifyCompleted") }
func (m explosiveMetrics) TransportError(string)             { m.boom("TransportError") }
func (m explosiveMetrics) HandlerCompleted(string, bool)     { m.boom("HandlerCompleted") }
func (m explosiveMetrics) HandlersActive(string, int)        { m.boom("HandlersActive") }
func (m explosiveMetrics) ShardsOwned(string, int)           { m.boom("ShardsOwned") }
func (m explosiveMetrics) Activated(string)                  { m.boom("Activated") }
func (m explosiveMetrics) ActivationFailed(string)           { m.boom("ActivationFailed") }
func (m explosiveMetrics) Passivated(string)                 { m.boom("Passivated") }
func (m explosiveMetrics) MailboxRefused(string)             { m.boom("MailboxRefused") }
func (m explosiveMetrics) ActiveKeys(string, int)            { m.boom("ActiveKeys") }
func (m explosiveMetrics) CallRefused(string)                { m.boom("CallRefused") }
func (m explosiveMetrics) NotificationFailed(string)         { m.boom("NotificationFailed") }
func (m explosiveMetrics) ShardOpened(string, time.Duration) { m.boom("ShardOpened") }
func (m explosiveMetrics) ShardDrained(cluster.DrainCounts)  { m.boom("ShardDrained") }
func (m explosiveMetrics) KeyReturned(string)                { m.boom("KeyReturned") }

// TestMetricsThatPanic: no call, no key and no shard is hurt by them, and a node ends
// as it does without.
func TestMetricsThatPanic(t *testing.T) {
	eachShards(t, func(t *testing.T, opts testkit.ClusterOptions) {
		opts.Metrics = explosiveMetrics{boom: func(string) { panic("metrics") }}
		opts.Handler = cluster.NewActorHandlerWithOpts(refusing().New, cluster.HandlerOptions{CacheSize: 1})
		client := testkit.NewCluster(t, opts).Client() // whose end fails the test if a call is still counted
		for range 3 {
			if n, err := cluster.NewRequest[count, int](client.Key("k")).Request(t.Context(), count{}); err != nil || *n != 0 {
				t.Fatalf("%v, %v", n, err)
			}
			if _, err := cluster.NewRequest[count, int](client.Key("l")).Request(t.Context(), count{}); err != nil { // k returns for the next
				t.Fatal(err)
			}
			for _, c := range []struct {
				key, msgType string
				kind         string
				is           error
			}{{"k", "unheard", "", cluster.ErrUnknownType}, {"bad", "count", "", cluster.ErrActivationFailed}, {"k", "count", "none", cluster.ErrUnknownKind}} {
				if _, err := client.Kind(c.kind).Key(c.key).RequestRaw(t.Context(), c.msgType, []byte("{}")); !errors.Is(err, c.is) {
					t.Errorf("%+v: %v", c, err)
				}
				if err := client.Kind(c.kind).Key(c.key).NotifyRaw(t.Context(), c.msgType, []byte("{}"), cluster.WithoutAck()); err != nil && !errors.Is(err, c.is) {
					t.Errorf("%+v, a notification: %v", c, err)
				}
			}
		}
	})
}
