package natstransport_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// Senders come and go under ever new inboxes; a node forgets those it owes
// nothing.
func TestPeersAreForgotten(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true})
	serve(t, node, 0, echo)
	nc := dial(t, url)
	const senders = 3 * natstransport.MaxPeers
	sub, err := nc.SubscribeSync("_INBOX.many.>")
	if err != nil {
		t.Fatal(err)
	}
	b := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Type: "Echo"}, 0, nil, 0), 1)
	subject := at(t, nc, 0)
	for i := range senders {
		if err := nc.PublishRequest(subject, fmt.Sprintf("_INBOX.many.%d.1-1", i), b); err != nil {
			t.Fatal(err)
		}
	}
	for range senders {
		if _, err := sub.NextMsg(patience); err != nil {
			t.Fatal(err)
		}
	}
	for range senders { // what was busy when the next came is forgotten now
		want(t, node, transport.Envelope{Type: "Echo"}, "")
	}
	if n := node.Peers(); n > natstransport.MaxPeers {
		t.Errorf("%d peers are remembered", n)
	}
}

// ask sends an envelope over a connection of nats.go's.
func ask(t *testing.T, nc *nats.Conn, env transport.Envelope, budget time.Duration) wire.Reply {
	t.Helper()
	m, err := nc.Request(at(t, nc, 0), wire.AppendEnd(wire.AppendEnvelope(nil, &env, budget, nil, 0), 9), patience)
	if err != nil {
		t.Fatal(err)
	}
	var d wire.Decoder
	var p wire.Packet
	if err := d.Decode(m.Data, &p); err != nil || len(p.Replies) != 1 || p.Replies[0].ID != 9 {
		t.Fatalf("%+v, %v", p, err)
	}
	r := p.Replies[0]
	if r.Err != nil {
		outcome.Resolve(r.Err)
	}
	return r
}

// A sender that speaks the wire by itself is served as any other.
func TestForeignSender(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	ran := make(chan string, 8)
	if _, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: names(ran)}); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, url)
	if r := ask(t, nc, transport.Envelope{Type: "Named"}, 0); r.Err != nil || receive(t, "the receiver", ran) != "Named" {
		t.Errorf("%+v", r)
	}
	// A request that nobody can be answered is not run; a notification is.
	for _, env := range []transport.Envelope{
		{Type: "NoReply"}, {Type: "NoAck", Delivery: transport.AwaitAccept}, {Type: "Unacked", Delivery: transport.AwaitNothing},
	} {
		if err := nc.Publish(at(t, nc, 0), wire.AppendEnd(wire.AppendEnvelope(nil, &env, 0, nil, 0), 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(t, "the notification", ran); got != "Unacked" {
		t.Errorf("%s has run", got)
	}
	// What is left of a deadline may be next to nothing: then nothing runs.
	failed(t, ask(t, nc, transport.Envelope{Type: "Late"}, time.Microsecond).Err, context.DeadlineExceeded, outcome.NotStarted)
}

// names is a receiver that notes the types of what starts.
type names chan string

// Accept implements dispatch.Receiver. It starts late what is called so.
func (n names) Accept(c *dispatch.Call) {
	if c.Envelope().Type == "Late" {
		<-c.Done()
	}
	if c.Start(nil) {
		n <- c.Envelope().Type
		c.Reply(nil, nil)
		c.End()
	}
}

// A node that says nothing does not keep its caller beyond the time to live. What
// it did with the request is not known.
func TestSilentOwner(t *testing.T) {
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url})
	got := make(chan *nats.Msg, 8)
	pretend(t, dial(t, url), 0, 1, func(m *nats.Msg) { got <- m })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := client.Request(ctx, transport.Envelope{Type: "Ask"})
	failed(t, err, context.DeadlineExceeded, outcome.Of(err))
	eventually(t, "a request that has left in its time", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Type: "Ask", TTLMs: 1})
		if outcome.Of(err) != outcome.NotSent {
			failed(t, err, outcome.ErrEnvelopeExpired, outcome.MaybeRan)
		}
		return outcome.Of(err) == outcome.MaybeRan
	})
	receive(t, "a message", got)
	if n := client.OpenCalls(); n != 0 {
		t.Errorf("%d calls are open", n)
	}
}

// The same where the request has not left at all: then it has not run.
func TestExpiredBeforeSent(t *testing.T) {
	client := connect(t, natstransport.Options{URL: testkit.StartNATS(t), AlwaysOverNATS: true})
	serve(t, client, 0, echo)
	release := client.HoldShard(0)
	refused(t, client, transport.Envelope{Type: "Ask", TTLMs: 1}, outcome.ErrEnvelopeExpired, outcome.NotSent)
	release()
}
