package natstransport_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestOneReplySubscription: all replies of a connection come to one subscription.
//
// The server is asked, while handlers hold requests: by then it has the request,
// and what the same connection has subscribed before it. One that subscribes for
// each request has a subscription for each that waits: the server would count 32
// where it must count 1. One that takes them back carelessly (not where the caller
// leaves, nobody listens or the handler fails) would leave some hundreds of the
// 1,000 behind. One that opens another inbox for a new connection would have 2
// after it, for nats.go subscribes the old one again.
func TestOneReplySubscription(t *testing.T) {
	const shards, held = 4, 32
	srv := ownServer(t)
	node := connect(t, natstransport.Options{URL: srv.ClientURL(), NATSOptions: []nats.Option{nats.Name("node")}})
	client := connect(t, natstransport.Options{URL: srv.ClientURL(), NATSOptions: append(soon(), nats.Name("client"))})
	entered, gate := make(chan struct{}, held), make(chan struct{})
	t.Cleanup(func() { close(gate) })
	for shard := range uint32(shards) {
		serve(t, node, shard, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			switch env.Type {
			case "Hold":
				entered <- struct{}{}
				<-gate
			case "Fail":
				return nil, errors.New("failed")
			case "Hang":
				<-ctx.Done()
			}
			return env.Data, nil
		})
	}
	one := func(when string) {
		t.Helper()
		// A node hears requests, questions for owners and for turns. Both may hear announcements.
		for name, others := range map[string]int{"client": 0, "node": 3} {
			replies, all := subscriptions(t, srv, name)
			if replies != 1 || all < 1+others || all > 2+others {
				t.Errorf("%s: the %s has %d reply subscriptions, %d in all; want 1, %d or one more", when, name, replies, all, 1+others)
			}
		}
	}
	// hold starts requests and returns when handlers have them all.
	hold := func() (calls []<-chan result) {
		t.Helper()
		for i := range held {
			calls = append(calls, start(patient(t), client, transport.Envelope{Shard: i % shards, Type: "Hold", Data: []byte("x")}))
		}
		for range held {
			receive(t, "a handler", entered)
		}
		return calls
	}
	answered := func(calls []<-chan result) {
		t.Helper()
		for range calls {
			gate <- struct{}{}
		}
		for _, call := range calls {
			if r := receive(t, "a reply", call); r.err != nil || string(r.data) != "x" {
				t.Errorf("reply %q, %v", r.data, r.err)
			}
		}
	}

	one("before the first request")
	calls := hold()
	one("while 32 requests wait")
	answered(calls)
	one("after them")

	thousand(t, client, shards)
	one("after 1,000 requests")

	calls = hold()
	before := connection(t, srv, "client").Cid
	if err := srv.DisconnectClientByID(before); err != nil {
		t.Fatal(err)
	}
	for _, call := range calls {
		failed(t, receive(t, "a call on its way", call).err, outcome.ErrConnectionLost, outcome.MaybeRan)
	}
	for range calls {
		gate <- struct{}{} // their handlers end
	}
	eventually(t, "the client is back", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Type: "Echo"})
		return err == nil
	})
	if connection(t, srv, "client").Cid == before {
		t.Fatal("the client has its old connection")
	}
	one("after a reconnect")
	calls = hold()
	one("while 32 requests wait on the new connection")
	answered(calls)
	thousand(t, client, shards)
	one("after 1,000 requests on the new connection")
}

// thousand sends as many requests to the shards below the given number, several at
// once, which end in every way that there is.
func thousand(t *testing.T, client *natstransport.Transport, shards int) {
	t.Helper()
	var senders sync.WaitGroup
	for range 10 {
		senders.Go(func() {
			for i := range 100 {
				env := transport.Envelope{Shard: i % shards, Type: "Echo"}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				var is error
				switch i % 10 {
				case 0:
					env.Delivery = transport.AwaitAccept
				case 1:
					env.Type = "Fail"
				case 2:
					env.Shard, is = shards, outcome.ErrTransportNoShardSubscriber
				case 3:
					env.Type, is = "Hang", context.Canceled
					time.AfterFunc(time.Millisecond, cancel)
				case 4:
					env.Type, env.TTLMs, is = "Hang", 1, outcome.ErrEnvelopeExpired
				}
				_, err := client.Request(ctx, env)
				cancel()
				if is != nil && !errors.Is(err, is) || (err == nil) != (is == nil && env.Type != "Fail") {
					t.Errorf("%+v: %v", env, err)
				}
			}
		})
	}
	senders.Wait()
}

// ownServer is a NATS server that can be asked what it knows of its connections.
func ownServer(t *testing.T) *server.Server { return natstest.Alone(t, server.Options{}) }

// connection is what the server knows of the one connection with a name.
func connection(t *testing.T, srv *server.Server, name string) *server.ConnInfo {
	t.Helper()
	var found []*server.ConnInfo
	eventually(t, name+" has one connection", func() bool { // the server forgets an old one in its own time
		all, err := srv.Connz(&server.ConnzOptions{Subscriptions: true})
		if err != nil {
			t.Fatal(err)
		}
		found = nil
		for _, c := range all.Conns {
			if c.Name == name {
				found = append(found, c)
			}
		}
		return len(found) == 1
	})
	return found[0]
}

// subscriptions counts those of a connection that replies can come to, and all.
func subscriptions(t *testing.T, srv *server.Server, name string) (replies, all int) {
	t.Helper()
	c := connection(t, srv, name)
	for _, subject := range c.Subs {
		if strings.HasPrefix(subject, nats.InboxPrefix) && !strings.HasSuffix(subject, ".turns") {
			replies++
		}
	}
	if int(c.NumSubs) != len(c.Subs) {
		t.Errorf("the server counts %d subscriptions of the %s, and lists %q", c.NumSubs, name, c.Subs)
	}
	return replies, len(c.Subs)
}
