package natstransport_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// What still waits to be sent when the transport is closed: who waits is told that
// nothing was sent, and nothing is; who does not wait was told that it goes out, and
// it does.
func TestSentAfterClose(t *testing.T) {
	url := testkit.StartNATS(t)
	node, client := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	var asked atomic.Int32
	noted := make(chan struct{}, 1)
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Note" {
			noted <- struct{}{}
		} else {
			asked.Add(1)
		}
		return nil, nil
	})
	want(t, client, transport.Envelope{Type: "First"}, "")
	release := client.HoldShard(0)
	call := start(patient(t), client, transport.Envelope{Type: "Ask"})
	eventually(t, "the request waits", func() bool { _, items, _ := client.Waiting(0); return items == 1 })
	if _, err := client.Request(patient(t), transport.Envelope{Type: "Note", Delivery: transport.AwaitNothing}); err != nil {
		t.Fatal(err)
	}
	client.Leave()
	release()
	failed(t, receive(t, "the request", call).err, outcome.ErrTransportClosed, outcome.NotSent)
	receive(t, "the notification", noted)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests have arrived, 1 was sent", n)
	}
}
