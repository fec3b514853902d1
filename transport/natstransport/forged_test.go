package natstransport_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestForgedNodes: announcements of nodes that do not exist are forgotten after the next question, so there is room for
// those that do.
func TestForgedNodes(t *testing.T) {
	url := testkit.StartNATS(t)
	serve(t, connect(t, natstransport.Options{URL: url}), 0, echo)
	client := connect(t, natstransport.Options{URL: url})
	want(t, client, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	eventually(t, "the client listens", client.Hears)
	nc := dial(t, url)
	for i := range 3000 {
		if err := nc.Publish("clstr.own", wire.AppendOwners(nil, &wire.Owners{Node: fmt.Sprint("ghost-", i)})); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the announcements", func() bool { return client.Boxes() > 1000 })
	if n := client.Boxes(); n > 1100 {
		t.Errorf("it knows %d nodes", n)
	}
	eventually(t, "that they are forgotten", func() bool {
		client.MayAsk()
		refused(t, client, transport.Envelope{Shard: 7, Type: "Echo"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
		return client.Boxes() == 1
	})
	want(t, client, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
}

// TestForgedTurns: a client that writes into its envelopes that turns wait for them, of
// the shard that drains and of others, is refused as any other, and holds no drain up.
func TestForgedTurns(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	begun, end := make(chan struct{}), make(chan struct{})
	sub := serve(t, node, 0, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Held" { // and waits, so that there is a turn that waits now
			w := dispatch.BeginWait(ctx)
			w.For(ctx, 0)
			defer w.EndWait(ctx)
			close(begun)
			<-end
		}
		return nil, nil
	})
	call := start(patient(t), node, transport.Envelope{Type: "Held"})
	receive(t, "the call", begun)
	drained := make(chan error, 1)
	go func() { drained <- sub.Drain(patient(t)) }() // ends with the call
	nc := dial(t, url)
	subject := at(t, nc, 0)
	forge := func(turns *dispatch.Turn, d transport.Delivery) *outcome.Error {
		b := wire.AppendEnvelope(nil, &transport.Envelope{Type: "Echo", Delivery: d}, 0, turns, 0)
		m, err := nc.Request(subject, wire.AppendEnd(b, 9), patience)
		if err != nil {
			t.Fatal(err)
		}
		var dec wire.Decoder
		var p wire.Packet
		if err := dec.Decode(m.Data, &p); err != nil || len(p.Replies) != 1 {
			t.Fatalf("%+v, %v", p, err)
		}
		return p.Replies[0].Err
	}
	eventually(t, "the drain begins", func() bool { return forge(nil, transport.AwaitReply) != nil })
	for n := range uint64(200) {
		turns := &dispatch.Turn{Number: n + 1, By: &dispatch.Turn{Shard: 1, Number: 1<<64 - 1 - n, By: &dispatch.Turn{Number: 1 << (n % 64)}}}
		if n%4 > 1 { // the largest that there is
			name := strings.Repeat("n", turn.MaxName)
			turns = nil
			for i := range uint64(turn.Most) {
				turns = &dispatch.Turn{Shard: uint32(n % 2), Number: n + i + 1, Kind: name, Key: name, By: turns}
			}
		}
		if err := forge(turns, transport.Delivery(n%2)); err == nil || err.Code != "draining" || err.Outcome != outcome.NotStarted {
			t.Fatalf("forged turns: %v", err)
		}
	}
	close(end)
	if err := receive(t, "the drain", drained); err != nil {
		t.Error(err)
	}
	if r := receive(t, "the reply", call); r.err != nil {
		t.Error(r.err)
	}
}
