package natstransport_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// stuck is a handler that never ends while the test runs; entered hears of each call.
func stuck(t *testing.T) (h transport.HandlerFunc, entered chan struct{}, release func()) {
	entered, gate := make(chan struct{}, 100), make(chan struct{})
	release = func() {
		select {
		case <-gate:
		default:
			close(gate)
		}
	}
	t.Cleanup(release)
	return func(_ context.Context, env transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-gate
		return env.Data, nil
	}, entered, release
}

// TestCallerLearnsOfADeath long before its deadline: the call that the node had may have run. What is sent
// afterwards never ran.
func TestCallerLearnsOfADeath(t *testing.T) {
	url := testkit.StartNATS(t)
	nc := dial(t, url)
	node := connect(t, natstransport.Options{Conn: nc, Log: slog.New(slog.DiscardHandler)})
	client := connect(t, natstransport.Options{URL: url})
	h, entered, _ := stuck(t)
	serve(t, node, 1, h)
	var calls []<-chan result
	for range 5 {
		calls = append(calls, start(context.Background(), client, transport.Envelope{Shard: 1, Type: "Stuck"}))
		receive(t, "the handler", entered)
	}
	nc.Close()
	for _, call := range calls {
		failed(t, receive(t, "a call", call).err, outcome.ErrConnectionLost, outcome.MaybeRan)
	}
	refused(t, client, transport.Envelope{Shard: 1, Type: "Late"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	if n := client.OpenCalls(); n != 0 {
		t.Errorf("%d calls are open", n)
	}
	client.VigilEnds(t, 1)
}

// TestCallerOfASilentNode: its machine has died, and the server does not know.
func TestCallerOfASilentNode(t *testing.T) {
	url := testkit.StartNATS(t)
	way := natstest.StartNetwork(t, url)
	nc := dial(t, way.URL(), nats.PingInterval(time.Hour))
	node := connect(t, natstransport.Options{Conn: nc, Log: slog.New(slog.DiscardHandler)})
	client := connect(t, natstransport.Options{URL: url})
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	call := start(context.Background(), client, transport.Envelope{Shard: 1, Type: "Stuck"})
	receive(t, "the handler", entered)
	way.Swallow()
	failed(t, receive(t, "the call", call).err, outcome.ErrConnectionLost, outcome.MaybeRan)
	client.VigilEnds(t, 1)
	release()
	nc.Close() // the node's end would wait for it
}

// TestUnreadAnswersAreNoSilence: if this end is behind with reading, the answer may have come already.
func TestUnreadAnswersAreNoSilence(t *testing.T) {
	url := testkit.StartNATS(t)
	node, client := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	call := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Stuck", Data: []byte("x")})
	receive(t, "the handler", entered)
	read := sync.OnceFunc(client.HoldReader())
	t.Cleanup(read)
	client.Pulses(1, 4) // the watch asks
	eventually(t, "the answer that the node lives", func() bool { return client.Backlog() > 0 })
	release()
	eventually(t, "the answer", func() bool { return client.Backlog() > 1 })
	client.Pulses(1, 20)
	read()
	if r := receive(t, "the call", call); r.err != nil || string(r.data) != "x" {
		t.Errorf("%q, %v", r.data, r.err)
	}
	client.VigilEnds(t, 1)
}

// TestSlowHandlerIsWaitedFor: its node answers that it lives, however long it takes.
func TestSlowHandlerIsWaitedFor(t *testing.T) {
	url := testkit.StartNATS(t)
	node, client := connect(t, natstransport.Options{URL: url, MaxConcurrentHandlers: 1}), connect(t, natstransport.Options{URL: url})
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	call := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Slow", Data: []byte("x")})
	receive(t, "the handler", entered)
	eventually(t, "four answers that it lives", func() bool { return client.VigilHeard(1) >= 4 })
	release()
	if r := receive(t, "the call", call); r.err != nil || string(r.data) != "x" {
		t.Errorf("%q, %v", r.data, r.err)
	}
	client.VigilEnds(t, 1)
}
