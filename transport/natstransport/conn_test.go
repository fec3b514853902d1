package natstransport_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// A connection that was given is left as it was: open, with no subscription more
// and with its own error handler.
func TestConnStaysOpen(t *testing.T) {
	url := testkit.StartNATS(t)
	reports := make(chan error, 8)
	nc := dial(t, url, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { reports <- err }))
	testkit.CheckLeaks(t)
	before, own := nc.NumSubscriptions(), reflect.ValueOf(nc.ErrorHandler()).Pointer()
	var both []*natstransport.Transport
	for i := range 2 {
		tr := connect(t, natstransport.Options{Conn: nc, Prefix: fmt.Sprint("p", i), AlwaysOverNATS: true})
		serve(t, tr, 7, echo)
		want(t, tr, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
		both = append(both, tr)
	}
	if err := both[0].Close(); err != nil {
		t.Error(err)
	}
	nc.ErrorHandler()(nc, nil, nats.ErrBadHeaderMsg)
	if err := receive(t, "the connection's own handler", reports); err != nats.ErrBadHeaderMsg {
		t.Error(err)
	}
	want(t, both[1], transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
	refused(t, both[1], transport.Envelope{Shard: 8, Type: "Echo"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	if err := both[1].Close(); err != nil {
		t.Error(err)
	}
	if !nc.IsConnected() {
		t.Error("Close has closed a connection that was given")
	}
	eventually(t, "no subscription is left", func() bool { return nc.NumSubscriptions() == before })
	if reflect.ValueOf(nc.ErrorHandler()).Pointer() != own {
		t.Error("the connection has another error handler")
	}
	if len(reports) != 0 {
		t.Errorf("%d more reports", len(reports))
	}
}

// A connection that has ended for good says so: to those who send, at once and as
// something that is not tried again, to the log, and to the node that it served.
func TestConnClosedByItsOwner(t *testing.T) {
	var buf lockedBuffer
	nc := dial(t, testkit.StartNATS(t))
	tr := connect(t, natstransport.Options{Conn: nc, AlwaysOverNATS: true, Log: slog.New(slog.NewTextHandler(&buf, nil))})
	life := dispatch.NewLifetime(silent, dispatch.DispatcherOf(tr))
	for shard := range uint32(3) {
		if _, err := tr.SubscribeShard(life.Context(), shard, echo); err != nil {
			t.Fatal(err)
		}
	}
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	sub := serve(t, tr, 7, func(context.Context, transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-hold
		return nil, nil
	})
	call := start(patient(t), tr, transport.Envelope{Shard: 7, Type: "Hold"})
	receive(t, "the handler", entered)
	select {
	case <-tr.Broken():
		t.Fatal("broken while all is well")
	default:
	}
	nc.Close()
	failed(t, receive(t, "the call on its way", call).err, outcome.ErrConnectionLost, outcome.MaybeRan)
	receive(t, "the end", tr.Broken())
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
		refused(t, tr, transport.Envelope{Shard: 7, Type: "Echo", Delivery: d}, outcome.ErrTransportClosed, outcome.NotSent)
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 8})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.RequestKey(context.Background(), "key", "Echo", nil); outcome.Of(err) != outcome.NotSent {
		t.Errorf("a client's request: %v", err) // tried again, it would last 30 seconds
	}
	if _, err := tr.SubscribeShard(patient(t), 8, echo); outcome.CodeOf(err) != "transport_closed" {
		t.Errorf("SubscribeShard: %v", err)
	}
	if log := buf.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "ended for good") {
		t.Errorf("the log: %s", log)
	}
	close(hold)
	if err := sub.Unsubscribe(); err != nil {
		t.Error(err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	err = life.End()
	failed(t, err, outcome.ErrTransportClosed, outcome.NotSent)
	if n := strings.Count(err.Error(), "transport closed"); n != 1 {
		t.Errorf("the node's end names it %d times: %v", n, err)
	}
}

// The same where nats.go gives up by itself. What it does until then is a warning.
func TestReconnectsEnd(t *testing.T) {
	var buf lockedBuffer
	srv := testkit.StartNATSServer(t, nil)
	tr := connect(t, natstransport.Options{
		URL: srv.URL(), Log: slog.New(slog.NewTextHandler(&buf, nil)), NATSOptions: append(soon(), nats.MaxReconnects(2)),
	})
	srv.Stop()
	receive(t, "the end", tr.Broken())
	refused(t, tr, transport.Envelope{Type: "After"}, outcome.ErrTransportClosed, outcome.NotSent)
	if log := buf.String(); !strings.Contains(log, "level=WARN msg=\"NATS connection: lost, calls to and from other processes wait or fail\" status=RECONNECTING") || !strings.Contains(log, nats.ErrNoServers.Error()) {
		t.Errorf("the log: %s", log)
	}
}

// A transport that is closed is not broken.
func TestClosedIsNotBroken(t *testing.T) {
	var buf lockedBuffer
	tr := connect(t, natstransport.Options{URL: testkit.StartNATS(t), Log: slog.New(slog.NewTextHandler(&buf, nil))})
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-tr.Broken():
		t.Error("broken")
	default:
	}
	if log := buf.String(); log != "" {
		t.Errorf("the log: %s", log)
	}
}

func TestInboxPrefix(t *testing.T) {
	url := testkit.StartNATS(t)
	custom := []nats.Option{nats.CustomInboxPrefix("private.inbox")}
	node := connect(t, natstransport.Options{URL: url, NATSOptions: custom})
	serve(t, node, 7, echo)
	for _, opts := range [][]nats.Option{custom, nil} { // the usual one is an inbox everywhere
		client := connect(t, natstransport.Options{URL: url, NATSOptions: opts})
		want(t, client, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
	}
}

func TestOptions(t *testing.T) {
	url := testkit.StartNATS(t)
	nc := dial(t, url)
	for name, opts := range map[string]natstransport.Options{
		"nothing":            {},
		"both":               {URL: url, Conn: nc},
		"options of a Conn":  {Conn: nc, NATSOptions: []nats.Option{nats.Name("x")}},
		"no echo":            {Conn: dial(t, url, nats.NoEcho())},
		"no echo, own":       {URL: url, NATSOptions: []nats.Option{nats.NoEcho()}},
		"empty token":        {URL: url, Prefix: "a..b"},
		"ends with a dot":    {URL: url, Prefix: "a."},
		"wildcard":           {URL: url, Prefix: "a.*"},
		"all":                {URL: url, Prefix: ">"},
		"space":              {URL: url, Prefix: "a b"},
		"the server's own":   {URL: url, Prefix: "$SYS"},
		"inboxes":            {URL: url, Prefix: "_INBOX"},
		"below the inboxes":  {URL: url, Prefix: "private.inbox.x", NATSOptions: []nats.Option{nats.CustomInboxPrefix("private.inbox")}},
		"above the inboxes":  {URL: url, Prefix: "private", NATSOptions: []nats.Option{nats.CustomInboxPrefix("private.s")}},
		"the inboxes' name":  {URL: url, Prefix: "private", NATSOptions: []nats.Option{nats.CustomInboxPrefix("private")}},
		"handlers":           {URL: url, MaxConcurrentHandlers: -2},
		"pending":            {URL: url, MaxPending: -2},
		"bytes":              {URL: url, MaxBufferedBytes: -2},
		"the handlers' time": {URL: url, HandlerTimeout: -2},
	} {
		opts.Log = silent
		tr, err := natstransport.Open(t.Context(), opts)
		if tr != nil || outcome.CodeOf(err) != "bad_option" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any option of nats.go passes through, also those that a transport sets itself.
func TestNATSOptions(t *testing.T) {
	reports := make(chan error, 8)
	tr := connect(t, natstransport.Options{URL: restricted(t), Caller: "another", NATSOptions: []nats.Option{
		nats.UserInfo("client", "p"), nats.Name("mine"), nats.MaxReconnects(3),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { reports <- err }),
	}})
	pretend(t, dial(t, tr.URL(), nats.UserInfo("admin", "p")), 2, 1, nil)
	refused(t, tr, transport.Envelope{Shard: 2, Type: "Echo"}, outcome.ErrNotPermitted, outcome.NotStarted)
	receive(t, "the handler that was given", reports)
}

// TestNoPasswordInErrors: nats.go's parser puts the URL into its error.
func TestNoPasswordInErrors(t *testing.T) {
	for _, url := range []string{"nats://user:hush@exa mple:4222,nats://h:1", "nats://user:hush@127.0.0.1:1", "nats://hush@exa mple"} {
		_, err := natstransport.Open(t.Context(), natstransport.Options{URL: url})
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v", err)
		}
	}
}
