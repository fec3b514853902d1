package natstransport_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// Small messages that wait together must not make a packet of more items than a
// receiver takes.
func TestManySmallMessages(t *testing.T) {
	const calls = 12_000
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, MaxPending: -1})
	client := connect(t, natstransport.Options{URL: url})
	var ran atomic.Int32
	serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) { ran.Add(1); return nil, nil })
	release := client.HoldShard(0)
	for range calls {
		if _, err := client.Request(context.Background(), transport.Envelope{Delivery: transport.AwaitNothing}); err != nil {
			t.Fatal(err)
		}
	}
	if _, items, bytes := client.Waiting(0); items != calls || bytes > 5*calls {
		t.Fatalf("%d items wait in %d bytes", items, bytes)
	}
	release()
	eventually(t, "all have run", func() bool { return ran.Load() == calls })
}

// What waits for a connection that does not take it is bounded: senders wait, and
// leave when their context ends.
func TestSendersWaitForRoom(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	var ran atomic.Int32
	sub := serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) { ran.Add(1); return nil, nil })
	release := client.HoldShard(0)
	env := transport.Envelope{Data: make([]byte, natstransport.MaxBatch), Delivery: transport.AwaitNothing}
	for range natstransport.MaxWaiting + 1 {
		if _, err := client.Request(patient(t), env); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var calls []<-chan result
	for range 20 {
		calls = append(calls, start(ctx, client, env))
	}
	cancel()
	for _, call := range calls {
		failed(t, receive(t, "a sender", call).err, context.Canceled, outcome.NotSent)
	}
	if messages, _, bytes := client.Waiting(0); messages != natstransport.MaxWaiting+1 || bytes > (natstransport.MaxWaiting+2)*natstransport.MaxBatch {
		t.Errorf("%d messages of %d bytes wait", messages, bytes)
	}
	one := start(patient(t), client, env)
	release()
	if r := receive(t, "a sender that waited", one); r.err != nil {
		t.Error(r.err)
	}
	want(t, client, transport.Envelope{Type: "Last"}, "")
	if err := sub.Unsubscribe(); err != nil || ran.Load() != natstransport.MaxWaiting+3 {
		t.Errorf("%d ran, %v", ran.Load(), err)
	}
}

// A request whose sender goes before it was sent is not started, and disturbs
// none that it travels with.
func TestLeftBeforeSent(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	var ran atomic.Int32
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Never" {
			ran.Add(1)
		}
		return env.Data, nil
	})
	for _, company := range []bool{true, false} {
		release := client.HoldShard(0)
		ctx, cancel := context.WithCancel(context.Background())
		var left, stay []<-chan result
		for range 10 {
			left = append(left, start(ctx, client, transport.Envelope{Type: "Never"}))
			if company {
				stay = append(stay, start(patient(t), client, transport.Envelope{Type: "Echo", Data: []byte("x")}))
			}
		}
		eventually(t, "all wait", func() bool { _, items, _ := client.Waiting(0); return items == len(left)+len(stay) })
		cancel()
		for _, call := range left {
			failed(t, receive(t, "a sender that has gone", call).err, context.Canceled, outcome.NotSent)
		}
		release()
		for _, call := range stay {
			if r := receive(t, "a reply", call); r.err != nil || string(r.data) != "x" {
				t.Fatalf("reply %q, %v", r.data, r.err)
			}
		}
		want(t, client, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	}
	if n := ran.Load(); n != 0 {
		t.Errorf("%d requests ran although their senders had gone", n)
	}
	if n := client.OpenCalls(); n != 0 {
		t.Errorf("%d calls are still open", n)
	}
}

// Batches that wait leave in the order in which they came.
func TestOrderOverBatches(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	ran := make(chan string, 8)
	if _, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: names(ran)}); err != nil {
		t.Fatal(err)
	}
	release := client.HoldShard(0)
	for i := range 6 {
		env := transport.Envelope{Type: strconv.Itoa(i), Data: make([]byte, 20<<10), Delivery: transport.AwaitNothing}
		if _, err := client.Request(patient(t), env); err != nil {
			t.Fatal(err)
		}
	}
	if messages, _, _ := client.Waiting(0); messages != 6 {
		t.Fatalf("%d messages wait", messages)
	}
	release()
	for i := range 6 {
		if got := receive(t, "a name", ran); got != strconv.Itoa(i) {
			t.Fatalf("%s has come as number %d", got, i)
		}
	}
}
