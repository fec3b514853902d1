// Code of the application's that ends the goroutines which watch over a connection

package natstransport_test

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// failing is a log's handler as a test may have it: each line ends the goroutine that writes it.
type failing struct {
	slog.Handler
	lines *atomic.Int32
}

func (failing) Enabled(context.Context, slog.Level) bool { return true }
func (h failing) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h failing) WithGroup(string) slog.Handler          { return h }

func (h failing) Handle(context.Context, slog.Record) error {
	h.lines.Add(1)
	runtime.Goexit()
	return nil
}

// exitsWhenTold hears of a notification, as a client whose metrics end the goroutine.
type exitsWhenTold chan error

// Told implements [dispatch.Told].
func (e exitsWhenTold) Told(err error) {
	e <- err
	runtime.Goexit()
}

// postTo posts a notification whose sender ends the goroutine that tells it.
func postTo(t *testing.T, from *natstransport.Transport, env transport.Envelope) exitsWhenTold {
	t.Helper()
	told := make(exitsWhenTold, 1)
	p := from.Backend().(dispatch.Poster)
	env.Delivery = transport.AwaitAccept
	open, err := p.Post(patient(t), &env, dispatch.Order{Number: p.Number()}, time.Now().Add(patience), told)
	if !open || err != nil {
		t.Fatalf("posted %v, %v", open, err)
	}
	return told
}

// A connection is lost three times, while a notification is on its way. The log's handler ends its goroutine at each line,
// or the client's metrics end it. Client and node come back each time.
func TestWatchersThatEnd(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, given := range []bool{false, true} {
		for _, lines := range []*atomic.Int32{nil, new(atomic.Int32)} {
			srv, busy := testkit.StartNATSServer(t, nil), make(busyReader)
			node, client := exiting(t, srv.URL(), given, lines), exiting(t, srv.URL(), given, lines)
			if _, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: busy}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				told := postTo(t, client, transport.Envelope{Type: "Late"})
				receive(t, "the node's reader", busy)
				srv.Stop()
				failed(t, receive(t, "the notification's end", told), outcome.ErrConnectionLost, outcome.MaybeRan)
				receive(t, "the node's reader again", busy)
				isBack(t, srv, client)
			}
			if lines != nil && lines.Load() == 0 {
				t.Error("nothing was logged")
			}
		}
	}
}

// exiting connects with a log whose handler ends the goroutine at each line, and counts the lines; nil is a silent log.
func exiting(t *testing.T, url string, given bool, lines *atomic.Int32) *natstransport.Transport {
	t.Helper()
	opts := natstransport.Options{Log: silent}
	if lines != nil {
		opts.Log = slog.New(failing{slog.DiscardHandler, lines})
	}
	if given {
		opts.Conn = dial(t, url, soon()...)
	} else {
		opts.URL, opts.NATSOptions = url, soon()
	}
	return connect(t, opts)
}

// isBack starts the server again, and waits until shard 0 answers.
func isBack(t *testing.T, srv *testkit.NATSServer, client *natstransport.Transport) {
	t.Helper()
	srv.Restart()
	eventually(t, "client and node are back", func() bool {
		reply, err := client.Request(patient(t), transport.Envelope{Type: "Echo", Data: []byte("x")})
		return err == nil && string(reply) == "x"
	})
}

// What waits to be sent to a node when the connection goes is refused where the transport sends. If the metrics end that
// goroutine, what follows to the node still goes out.
func TestSenderThatEnds(t *testing.T) {
	srv := testkit.StartNATSServer(t, nil)
	node, client := exiting(t, srv.URL(), false, nil), exiting(t, srv.URL(), false, nil)
	serve(t, node, 0, echo)
	want(t, client, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	release := client.HoldShard(0)
	told := postTo(t, client, transport.Envelope{Type: "Held"})
	srv.Stop()
	eventually(t, "the client knows", func() bool { return !client.Connected() })
	release()
	failed(t, receive(t, "the notification's end", told), outcome.ErrDisconnected, outcome.NotSent)
	isBack(t, srv, client)
}

// The server refuses each message to nodes. Each refusal ends the goroutine of nats.go that tells it, by way of the metrics and
// of the log, and each is heard.
func TestRefusalsThatEnd(t *testing.T) {
	srv := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		{Username: "node", Password: "p"},
		{Username: "mute", Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"_INBOX.>", "clstr.who"}}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>", "clstr.own"}},
		}},
	}})
	node := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: []nats.Option{nats.UserInfo("node", "p")}, Log: silent})
	serve(t, node, 0, echo)
	lines := new(atomic.Int32)
	client := connect(t, natstransport.Options{
		URL: srv.URL(), NATSOptions: []nats.Option{nats.UserInfo("mute", "p")}, Log: slog.New(failing{slog.DiscardHandler, lines}),
	})
	for range 3 {
		told := postTo(t, client, transport.Envelope{Type: "Echo"})
		failed(t, receive(t, "the refusal", told), outcome.ErrNotPermitted, outcome.NotStarted)
	}
	if lines.Load() == 0 {
		t.Error("nothing was logged")
	}
}

// busyReader is a receiver that keeps the reader at a notification until it was received from twice.
type busyReader chan struct{}

// Accept implements dispatch.Receiver.
func (b busyReader) Accept(c *dispatch.Call) {
	if c.Envelope().Type == "Late" {
		b <- struct{}{}
		b <- struct{}{}
	}
	if c.Start(nil) {
		c.Reply(c.Envelope().Data, nil)
		c.End()
	}
}
