package natstransport_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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

// Who subscribes while the transport is closed gets a subscription that the close
// ends, or none: on a connection that stays, one more would swallow requests.
func TestSubscribeWhileClosing(t *testing.T) {
	nc := dial(t, testkit.StartNATS(t))
	before := nc.NumSubscriptions()
	for i := range 50 {
		tr := connect(t, natstransport.Options{Conn: nc})
		var all sync.WaitGroup
		for shard := range uint32(4) {
			all.Go(func() {
				_, err := tr.SubscribeShard(patient(t), shard, echo)
				if err != nil && !errors.Is(err, outcome.ErrTransportClosed) {
					t.Error(err)
				}
			})
		}
		if i%2 == 0 {
			all.Go(func() { _, _ = tr.SubscribeShard(patient(t), 9, echo) })
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	}
	eventually(t, "no subscription is left", func() bool { return nc.NumSubscriptions() == before })
	client := connect(t, natstransport.Options{Conn: nc})
	for shard := range 4 {
		refused(t, client, transport.Envelope{Shard: shard}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	}
}

// The same where the close has looked at the subscriptions before.
func TestSubscribeAfterLeaving(t *testing.T) {
	nc := dial(t, testkit.StartNATS(t))
	before := nc.NumSubscriptions()
	tr := connect(t, natstransport.Options{Conn: nc})
	tr.Leave()
	_, err := tr.SubscribeShard(patient(t), 1, echo)
	failed(t, err, outcome.ErrTransportClosed, outcome.NotSent)
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "no subscription is left", func() bool { return nc.NumSubscriptions() == before })
}

// What the server has sent before it knew that a shard was given up is handed on
// before Unsubscribe ends.
func TestUnsubscribeHandsOnWhatCame(t *testing.T) {
	const requests = 20
	nc := dial(t, testkit.StartNATS(t))
	node := connect(t, natstransport.Options{Conn: nc})
	hold := make(chan struct{})
	sub, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: gated(hold)})
	if err != nil {
		t.Fatal(err)
	}
	inbox := nats.NewInbox()
	replies, err := nc.SubscribeSync(inbox + ".*")
	if err != nil {
		t.Fatal(err)
	}
	subject := at(t, nc, 0)
	for id := range uint64(requests) {
		b := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Type: "Ask"}, 0, nil, 0), id+1)
		if err := nc.PublishRequest(subject, fmt.Sprintf("%s.%d-1", inbox, id), b); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the requests wait", func() bool { return node.Backlog() >= requests-1 }) // the reader is at the gate
	done := make(chan error, 1)
	go func() { done <- sub.Unsubscribe() }()
	close(hold)
	if err := receive(t, "Unsubscribe", done); err != nil {
		t.Error(err)
	}
	var d wire.Decoder
	var p wire.Packet
	for answered := 0; answered < requests; answered += len(p.Replies) {
		m, err := replies.NextMsg(patience)
		if err != nil {
			t.Fatalf("after %d replies: %v", answered, err)
		}
		if err := d.Decode(m.Data, &p); err != nil || p.Replies[0].Err != nil {
			t.Fatalf("%+v, %v", p, err)
		}
	}
}

// gated is a receiver that takes nothing before the gate opens.
type gated chan struct{}

// Accept implements dispatch.Receiver.
func (g gated) Accept(c *dispatch.Call) {
	<-g
	if c.Start(nil) {
		c.Reply(nil, nil)
		c.End()
	}
}

// Requests that come while the node leaves are answered: by the handler, or as
// something that did not run. None is lost between the server and the node.
func TestDrainLosesNothing(t *testing.T) {
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url})
	for range 10 {
		node := connect(t, natstransport.Options{URL: url})
		serve(t, node, 0, echo)
		var all sync.WaitGroup
		var replies atomic.Int32
		closing := make(chan struct{})
		for range 32 {
			all.Go(func() {
				for i := 0; ; i++ {
					_, err := client.Request(context.Background(), transport.Envelope{Type: "Echo"}) // lost, it would wait for ever
					if err == nil {
						if replies.Add(1) == 200 {
							close(closing)
						}
						continue
					}
					if !outcome.Of(err).NeverRan() {
						t.Errorf("%v (%v)", err, outcome.Of(err))
					}
					return
				}
			})
		}
		receive(t, "200 replies", closing)
		if err := node.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	}
}

// Close returns when the replies of its last handlers have left, not before: who
// ends the process then loses none.
func TestCloseFlushesReplies(t *testing.T) {
	for i := range 4 {
		given, frozen := i%2 == 0, i/2 == 0 // or in the node's own queue
		url := testkit.StartNATS(t)
		p := startProxy(t, url)
		opts := natstransport.Options{Log: silent}
		if given {
			opts.Conn = dial(t, p.url())
		} else {
			opts.URL = p.url()
		}
		node := connect(t, opts)
		client := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true})
		serve(t, client, 9, echo)
		silent := make(chan *nats.Msg, 1)
		pretend(t, dial(t, url), 8, 1, func(m *nats.Msg) { silent <- m })
		hold, entered := make(chan struct{}), make(chan struct{}, 1)
		serve(t, node, 7, func(context.Context, transport.Envelope) ([]byte, error) {
			entered <- struct{}{}
			<-hold
			return []byte("last"), nil
		})
		open := start(context.Background(), node, transport.Envelope{Shard: 8, Type: "Open"})
		call := start(patient(t), client, transport.Envelope{Shard: 7, Type: "Hold"})
		receive(t, "the handler", entered)
		client.StopPulses(7) // the node hears nothing more, and its reply may be held for longer than the watch waits
		receive(t, "the node's own call", silent)
		done := make(chan error, 1)
		go func() { done <- node.Close() }()
		eventually(t, "the node has left its shard", func() bool { return node.Subscriptions() == 0 })
		goOn := p.thaw
		if frozen {
			p.freeze()
		} else {
			goOn = node.HoldFlusher()
		}
		goOn = sync.OnceFunc(goOn)
		t.Cleanup(goOn)
		close(hold)
		failed(t, receive(t, "a call of the node's own", open).err, outcome.ErrTransportClosed, outcome.MaybeRan) // Close has come to its end
		for range 200 {
			want(t, client, transport.Envelope{Shard: 9, Type: "Echo", Data: []byte("x")}, "x")
		}
		select {
		case <-done:
			t.Error("Close has returned before the reply has left")
		default:
		}
		goOn()
		if err := receive(t, "Close", done); err != nil {
			t.Error(err)
		}
		if r := receive(t, "the reply", call); r.err != nil || string(r.data) != "last" {
			t.Errorf("reply %q, %v", r.data, r.err)
		}
	}
}

// A close that has given a stuck handler up is finished by the next one.
func TestCloseAgain(t *testing.T) {
	url := testkit.StartNATS(t)
	testkit.CheckLeaks(t)
	node, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, HandlerTimeout: time.Millisecond, Log: silent})
	if err != nil {
		t.Fatal(err)
	}
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-hold
		return nil, nil
	})
	if _, err := node.Request(patient(t), transport.Envelope{Type: "Stuck", Delivery: transport.AwaitAccept}); err != nil {
		t.Fatal(err)
	}
	receive(t, "the handler", entered)
	failed(t, node.Close(), outcome.ErrHandlerTimeout, outcome.MaybeRan)
	close(hold)
	if err := node.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

// Two nodes that serve one shard by fixed lists handle each message once. A client
// stays with the one that it has found first, until that one leaves.
func TestTwoNodesOneShard(t *testing.T) {
	const calls = 500
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url})
	var ran [calls]atomic.Int32
	var by [2]atomic.Int32
	var subs []transport.Subscription
	for i := range by {
		node := connect(t, natstransport.Options{URL: url})
		subs = append(subs, serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
			by[i].Add(1)
			ran[env.NumShards].Add(1)
			return nil, nil
		}))
	}
	for i := range calls {
		if i == calls/2 {
			first := subs[0]
			if by[1].Load() > 0 {
				first = subs[1]
			}
			if err := first.Unsubscribe(); err != nil {
				t.Error(err)
			}
		}
		env := transport.Envelope{Type: "Count", NumShards: uint32(i), Delivery: transport.Delivery(i % 3)}
		if _, err := client.Request(patient(t), env); err != nil {
			t.Fatal(err)
		}
	}
	want(t, client, transport.Envelope{Type: "Count", NumShards: 0}, "") // flushes what had no ack
	for _, sub := range subs {
		if err := sub.Unsubscribe(); err != nil {
			t.Error(err)
		}
	}
	for i := range ran {
		if n := ran[i].Load(); n != 1 && i != 0 {
			t.Errorf("message %d ran %d times", i, n)
		}
	}
	if by[0].Load() == 0 || by[1].Load() == 0 {
		t.Errorf("the nodes ran %d and %d", by[0].Load(), by[1].Load())
	}
}

// What a sender that does not wait was told is sent leaves before Close returns.
func TestCloseSendsNotifications(t *testing.T) {
	const rounds, notes = 20, 5
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	got := make(chan struct{}, rounds*notes)
	serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) {
		got <- struct{}{}
		return nil, nil
	})
	for range rounds {
		tr := connect(t, natstransport.Options{URL: url})
		for range notes {
			if _, err := tr.Request(patient(t), transport.Envelope{Type: "Note", Delivery: transport.AwaitNothing}); err != nil {
				t.Fatal(err)
			}
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all have come", func() bool { return len(got) == rounds*notes })
}
