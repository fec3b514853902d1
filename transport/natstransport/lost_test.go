package natstransport_test

import (
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// narrow opens a transport that has room for few messages.
func narrow(t *testing.T, url string) *natstransport.Transport {
	t.Helper()
	tr, err := natstransport.OpenWithBacklog(natstransport.Options{URL: url, Log: silent}, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// flood has a transport drop all that is sent to it until stop. subject is one that it hears.
func flood(t *testing.T, to *natstransport.Transport, nc *nats.Conn, subject string) (drops func() uint64, stop func()) {
	t.Helper()
	drops, stop = to.DroppedMessages, sync.OnceFunc(to.HoldReader())
	t.Cleanup(stop)
	for range 20 {
		if err := nc.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	to.HasCome(patient(t))
	if drops() == 0 {
		t.Fatal("no message was dropped")
	}
	return drops, stop
}

// lost requires that a call was lost, and that its caller hears so from its node.
func lost(t *testing.T, err error) {
	t.Helper()
	failed(t, err, outcome.ErrConnectionLost, outcome.MaybeRan)
	if !strings.Contains(err.Error(), "does not know the call") {
		t.Error(err)
	}
}

// held requires the reply to a call of stuck.
func held(t *testing.T, call <-chan result) {
	t.Helper()
	if got := receive(t, "the call that was held", call); got.err != nil || string(got.data) != "held" {
		t.Errorf("%q, %v", got.data, got.err)
	}
}

// hold starts a call of stuck that lasts.
func hold(t *testing.T, client *natstransport.Transport, shard int, entered <-chan struct{}) <-chan result {
	t.Helper()
	call := start(patient(t), client, transport.Envelope{Shard: shard, Type: "Hold", Data: []byte("held")})
	receive(t, "the handler", entered)
	return call
}

// answersOf returns when the node of shard 1 has answered so many questions.
func answersOf(t *testing.T, client *natstransport.Transport, n uint64) {
	t.Helper()
	before := client.VigilHeard(1)
	eventually(t, "the node answers", func() bool { return client.VigilHeard(1) >= before+n })
}

// TestLostRequest: requests that a node drops end long before their deadlines. A call that the node has goes on.
func TestLostRequest(t *testing.T) {
	t.Parallel() // it waits, and works little
	url := testkit.StartNATS(t)
	node, client, nc := narrow(t, url), connect(t, natstransport.Options{URL: url}), dial(t, url)
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	call := hold(t, client, 1, entered)
	_, stop := flood(t, node, nc, "clstr.n."+node.Backend().Address()+"._")
	request := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Lost"})
	acked := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Lost", Delivery: transport.AwaitAccept})
	note := make(hears, 1)
	env := transport.Envelope{Shard: 1, Type: "Lost", Delivery: transport.AwaitAccept}
	if open, err := client.Backend().(dispatch.Poster).Post(patient(t), &env, dispatch.Order{Number: 1}, time.Now().Add(patience), note); !open || err != nil {
		t.Fatal(open, err)
	}
	eventually(t, "they are sent", func() bool { return client.OpenCalls() >= 4 })
	client.Sync(patient(t))
	node.HasCome(patient(t))
	stop()
	lost(t, receive(t, "the caller of the request", request).err)
	lost(t, receive(t, "the caller of the notification", acked).err)
	lost(t, receive(t, "the sender that has not waited", note))
	if n := node.DroppedMessages(); n < 15 {
		t.Errorf("%d messages count as dropped", n)
	}
	release()
	held(t, call)
	client.VigilEnds(t, 1)
}

// hears is told once.
type hears chan error

// Told implements [dispatch.Told].
func (h hears) Told(err error) { h <- err }

// TestLostReply: a reply that its caller's end drops counts as lost, too. A call that waits goes on.
func TestLostReply(t *testing.T) {
	t.Parallel() // it waits, and works little
	url := testkit.StartNATS(t)
	node, client, nc := connect(t, natstransport.Options{URL: url}), narrow(t, url), dial(t, url)
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	serve(t, node, 2, echo)
	call := hold(t, client, 1, entered)
	want(t, client, transport.Envelope{Shard: 2, Type: "Echo", Data: []byte("x")}, "x")
	drops, stop := flood(t, client, nc, client.Subjects()[0])
	before := drops()
	request := start(patient(t), client, transport.Envelope{Shard: 2, Type: "Echo"})
	eventually(t, "the reply is dropped", func() bool { return drops() > before })
	stop()
	lost(t, receive(t, "the caller", request).err)
	if n := client.DroppedMessages(); n < 15 {
		t.Errorf("%d messages count as dropped", n)
	}
	want(t, client, transport.Envelope{Shard: 2, Type: "Echo", Data: []byte("x")}, "x")
	release()
	held(t, call)
	client.VigilEnds(t, 1)
}

// TestSwallowedCall: the network has forgotten the node's connection, and the node makes a new one. What was sent to
// the old one is lost. The node says so only after a while, when nothing can be on its way any more. A call that it has
// goes on.
func TestSwallowedCall(t *testing.T) {
	t.Parallel() // it waits, and works little
	url := testkit.StartNATS(t)
	way := natstest.StartNetwork(t, url)
	node, client := connect(t, natstransport.Options{URL: way.URL(), NATSOptions: soon(), Log: silent}), connect(t, natstransport.Options{URL: url})
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	call := hold(t, client, 1, entered)
	way.Swallow()
	before := client.OpenCalls()
	swallowed := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Lost"})
	eventually(t, "it is sent", func() bool { return client.OpenCalls() > before })
	client.HasCome(patient(t))
	node.ChangeFor(time.Hour)
	hearer(t, node).AskItself(true)
	answersOf(t, client, 4)
	if n := client.OpenCalls(); n < before+1 {
		t.Errorf("%d calls are open", n)
	}
	node.ChangeFor(0)
	lost(t, receive(t, "the caller", swallowed).err)
	release()
	held(t, call)
}

// TestQuestionOvertakes: over the new connection of an end that moves, a question or its answer overtakes a request or reply that
// is still on its way over the old one. The call goes on.
func TestQuestionOvertakes(t *testing.T) {
	t.Parallel()
	t.Run("a request", func(t *testing.T) { overtaken(t, false) })
	t.Run("a reply", func(t *testing.T) { overtaken(t, true) })
}

func overtaken(t *testing.T, reply bool) {
	t.Parallel()
	srv := natstest.Alone(t, server.Options{})
	p := startProxy(t, srv.ClientURL())
	moves := connect(t, natstransport.Options{URL: p.url(), NATSOptions: []nats.Option{nats.PingInterval(time.Hour)}})
	client, node := moves, connect(t, natstransport.Options{URL: srv.ClientURL()})
	if reply {
		client, node = node, moves
	}
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	serve(t, node, 2, echo)
	want(t, client, transport.Envelope{Shard: 2, Type: "Echo", Data: []byte("x")}, "x")
	var call <-chan result
	if reply {
		call = hold(t, client, 1, entered)
		p.freeze()
		release()
		eventually(t, "the reply is sent", func() bool { return node.OpenAt() == 0 })
	} else {
		p.freeze()
		call = start(patient(t), client, transport.Envelope{Shard: 1, Type: "Hold", Data: []byte("held")})
		eventually(t, "the request is sent", func() bool { return client.OpenCalls() == 1 })
	}
	moves.MoveFor(time.Millisecond, time.Hour)
	before := moves.ClientID()
	asked(t, srv, moves)
	eventually(t, "the end moves", func() bool { return moves.ClientID() != before })
	answersOf(t, client, 4)
	release()
	p.thaw()
	held(t, call)
}

// TestHostileAnswer: a node that says it knows no call ends only its own calls.
func TestHostileAnswer(t *testing.T) {
	t.Parallel() // it waits, and works little
	url := testkit.StartNATS(t)
	node, client, nc := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url}), dial(t, url)
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	var all []byte // more than fit into a question
	for id := range uint64(20_000) {
		all = binary.AppendUvarint(all, id%100)
	}
	var d wire.Decoder
	var p wire.Packet
	questions := make(chan struct{}, 1000)
	pretend(t, nc, 7, 1, func(m *nats.Msg) {
		if err := d.Decode(m.Data, &p); err != nil {
			t.Error(err)
		}
		for i, e := range p.Envelopes {
			if e.Type == "clstr.alive" {
				r := wire.Reply{ID: p.FirstID + uint64(i), Data: all}
				questions <- struct{}{} // before the answer may end the call
				_ = m.Respond(wire.AppendEnd(r.Append(nil), 0))
			}
		}
	})
	call := hold(t, client, 1, entered)
	lost(t, receive(t, "the caller of the hostile node", start(patient(t), client, transport.Envelope{Shard: 7, Type: "Lost"})).err)
	if n := len(questions); n != 2 {
		t.Errorf("%d answers have ended the call, not two", n)
	}
	release()
	held(t, call)
}

// TestOneLostQuestion: a node that has dropped the question whether it lives is asked anew. It does not count as dead.
func TestOneLostQuestion(t *testing.T) {
	t.Parallel() // it waits, and works little
	url := testkit.StartNATS(t)
	node, client, nc := narrow(t, url), connect(t, natstransport.Options{URL: url}), dial(t, url)
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	call := hold(t, client, 1, entered)
	_, stop := flood(t, node, nc, "clstr.n."+node.Backend().Address()+"._")
	eventually(t, "the node is asked", func() bool { return client.OpenCalls() >= 2 })
	client.Sync(patient(t))
	node.HasCome(patient(t))
	stop()
	answersOf(t, client, 1)
	release()
	held(t, call)
	client.VigilEnds(t, 1)
}
