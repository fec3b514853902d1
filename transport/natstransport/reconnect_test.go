package natstransport_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// The server goes and comes back: what was on its way may have run, what comes
// meanwhile is not sent, and afterwards all is as before.
func TestServerRestarts(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := testkit.StartNATSServer(t, nil)
	node := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: soon()})
	client := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: soon()})
	hold, entered := make(chan struct{}), make(chan struct{}, 8)
	var ran atomic.Int32
	serve(t, node, 7, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Hold" {
			entered <- struct{}{}
			<-hold
		}
		ran.Add(1)
		return env.Data, nil
	})
	for range 3 {
		call := start(context.Background(), client, transport.Envelope{Shard: 7, Type: "Hold"})
		receive(t, "the handler", entered)
		srv.Stop()
		failed(t, receive(t, "the call on its way", call).err, outcome.ErrConnectionLost, outcome.MaybeRan)
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
			refused(t, client, transport.Envelope{Shard: 7, Type: "Down", Delivery: d}, outcome.ErrDisconnected, outcome.NotSent)
		}
		srv.Restart()
		eventually(t, "the shard is back", func() bool {
			reply, err := client.Request(patient(t), transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")})
			return err == nil && string(reply) == "x"
		})
	}
	close(hold)
	want(t, client, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
	before := ran.Load()
	for range 100 {
		want(t, client, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
	}
	if n := ran.Load() - before; n < 100 || n > 103 { // the held ones may end meanwhile
		t.Errorf("100 requests ran %d times", n)
	}
}

// A shard that was given up while the connection was down must not come back
// with it: its requests would go to nobody.
func TestUnsubscribeWhileDown(t *testing.T) {
	srv := testkit.StartNATSServer(t, nil)
	node := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: soon()})
	client := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: soon()})
	gone := serve(t, node, 1, echo)
	serve(t, node, 2, echo)
	srv.Stop()
	if err := gone.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	srv.Restart()
	eventually(t, "the other shard is back", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Shard: 2, Type: "Echo"})
		return err == nil
	})
	refused(t, client, transport.Envelope{Shard: 1, Type: "Echo"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
}

// What was closed while the connection was down has ended.
func TestCloseWhileDown(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := testkit.StartNATSServer(t, nil)
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: srv.URL(), NATSOptions: soon(), Log: silent})
	if err != nil {
		t.Fatal(err)
	}
	sub := serve(t, tr, 1, echo)
	srv.Stop()
	for range 2 {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Error(err)
	}
	refused(t, tr, transport.Envelope{Type: "After"}, outcome.ErrTransportClosed, outcome.NotSent)
}

func TestNoServer(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := testkit.StartNATSServer(t, nil)
	srv.Stop()
	_, err := natstransport.Open(t.Context(), natstransport.Options{URL: "nats://user:secret@" + srv.URL()[len("nats://"):], Log: silent})
	failed(t, err, outcome.ErrDisconnected, outcome.NotSent)
	if text := err.Error(); containsAny(text, "secret", "user") {
		t.Errorf("the error tells the password: %s", text)
	}
}

// With nats.RetryOnFailedConnect a program may start before its server.
func TestServerStartsLater(t *testing.T) {
	srv := testkit.StartNATSServer(t, nil)
	srv.Stop()
	early := append(soon(), nats.RetryOnFailedConnect(true))
	client := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: early})
	node := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: early})
	refused(t, client, transport.Envelope{Type: "Early"}, outcome.ErrDisconnected, outcome.NotSent)
	done := make(chan error, 1)
	go func() {
		_, err := node.SubscribeShard(patient(t), 0, echo)
		done <- err
	}()
	srv.Restart()
	if err := receive(t, "SubscribeShard", done); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is connected", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Type: "Echo"})
		return err == nil
	})
}

// A client that retries what was not sent gets through as soon as the server is
// back.
func TestClientRetriesWhileDown(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := testkit.StartNATSServer(t, nil)
	node := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: soon()})
	client := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: soon()})
	serve(t, node, 0, echo)
	srv.Stop()
	eventually(t, "the client notices", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Type: "Down"})
		return errors.Is(err, outcome.ErrDisconnected)
	})
	retrying, err := cluster.NewClient(cluster.ClientOptions{
		Transport: client, NumShards: 1, RetryOn: []error{cluster.ErrTransportNoShardSubscriber}, // until the node is back too
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx := patient(t)
	go func() {
		_, err := retrying.RequestKey(ctx, "key", "Again", nil)
		done <- err
	}()
	srv.Restart()
	if err := receive(t, "the retried request", done); err != nil {
		t.Fatal(err)
	}
}

// TestBeforeTheWatcherLooks: what comes at once when the server is there at last is
// answered, also what is too large.
func TestBeforeTheWatcherLooks(t *testing.T) {
	url := testkit.StartNATS(t)
	node, client := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Large" {
			return make([]byte, 2<<20), nil
		}
		return env.Data, nil
	})
	node.Forget()
	client.Forget()
	want(t, client, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	refused(t, client, transport.Envelope{Type: "Large"}, outcome.ErrReplyTooLarge, outcome.RanAndFailed)
}
