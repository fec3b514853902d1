package natstransport_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// An operator who looks at the server's connections sees whose each one is.
func TestConnectionsAreNamed(t *testing.T) {
	srv := ownServer(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for want, opts := range map[string]natstransport.Options{
		"clstr node-1": {Name: "node-1"},
		"clstr " + filepath.Base(os.Args[0]) + "@" + host: {},
		"mine": {Name: "node-2", NATSOptions: []nats.Option{nats.Name("mine")}},
	} {
		opts.URL = srv.ClientURL()
		connect(t, opts)
		if c := connection(t, srv, want); c.Name != want {
			t.Errorf("the connection is named %q, want %q", c.Name, want)
		}
	}
	for name, opts := range map[string]natstransport.Options{
		"too long":         {URL: srv.ClientURL(), Name: strings.Repeat("n", 257)},
		"of another's own": {Conn: dial(t, srv.ClientURL()), Name: "node-1"},
	} {
		if _, err := natstransport.Open(t.Context(), opts); !errors.Is(err, outcome.ErrBadOption) || !strings.Contains(err.Error(), "Name") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reply subject that is none is refused before the server sees it: that would
// refuse each reply, in a line of the log a message.
func TestReplySubjectThatIsNone(t *testing.T) {
	var buf lockedBuffer
	node := connect(t, natstransport.Options{
		URL: restricted(t), NATSOptions: []nats.Option{nats.UserInfo("node", "p")}, Log: slog.New(slog.NewTextHandler(&buf, nil)),
	})
	serve(t, node, 1, echo)
	client := dial(t, node.URL(), nats.UserInfo("client", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	replies, err := client.SubscribeSync("_INBOX.mine.>")
	if err != nil {
		t.Fatal(err)
	}
	packet := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Shard: 1, Type: "Echo"}, 0, nil, 0), 1)
	for range 100 {
		if err := client.PublishRequest("clstr.n."+node.Backend().Address()+".client", "_INBOX.N..x", packet); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.PublishRequest("clstr.n."+node.Backend().Address()+".client", "_INBOX.mine.1-1", packet); err != nil {
		t.Fatal(err)
	}
	if _, err := replies.NextMsg(patience); err != nil {
		t.Fatal(err)
	}
	node.Sync(patient(t)) // a refusal of the server's comes before its answer
	if n := strings.Count(buf.String(), "\n"); n > 6 || strings.Contains(buf.String(), "not permitted") || !strings.Contains(buf.String(), "its reply subject is no inbox") {
		t.Errorf("%d lines:\n%.1000s", n, buf.String())
	}
}

// A reply that the server does not let a node send is counted there: its caller hears
// nothing.
func TestReplyThatTheServerRefuses(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		{Username: "client", Password: "p"},
		{Username: "node", Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"_INBOX.forbidden.>"}}}},
	}}).URL()
	node := connect(t, natstransport.Options{URL: url, NATSOptions: []nats.Option{nats.UserInfo("node", "p")}})
	serve(t, node, 1, echo)
	client := dial(t, url, nats.UserInfo("client", "p"))
	packet := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Shard: 1, Type: "Echo"}, 0, nil, 0), 1)
	for range 3 {
		if err := client.PublishRequest("clstr.n."+node.Backend().Address()+"._", "_INBOX.forbidden.1-1", packet); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the refusals are counted", func() bool { _, refused := node.PacketCounts(); return refused > 0 })
}

// TestLongReplySubjects: each call holds its reply subject, so a long one is ignored. A
// connection that would make such is refused.
func TestLongReplySubjects(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	serve(t, node, 1, echo)
	client := dial(t, url)
	replies, err := client.SubscribeSync("_INBOX.mine.>")
	if err != nil {
		t.Fatal(err)
	}
	b := packet(transport.Envelope{Shard: 1, Type: "Echo"})
	fits := "_INBOX.mine." + strings.Repeat("r", 256-len("_INBOX.mine.1-1")-1) + ".1-1"
	for _, reply := range []string{fits + "1", "_INBOX.mine." + strings.Repeat("r", 3900) + ".1-1", fits} {
		if err := client.PublishRequest("clstr.n."+node.Backend().Address()+"._", reply, b); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := replies.NextMsg(patience); err != nil || m.Subject != fits {
		t.Fatalf("%v, %v", m, err)
	}
	if _, refused := node.PacketCounts(); refused != 2 {
		t.Errorf("%d were ignored", refused)
	}
	for bytes, is := range map[int]error{211: nil, 212: outcome.ErrBadOption} { // and a dot
		prefix := nats.CustomInboxPrefix("_INBOX." + strings.Repeat("i", bytes-7))
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: silent, NATSOptions: []nats.Option{prefix}})
		if !errors.Is(err, is) {
			t.Errorf("a prefix of %d bytes: %v", bytes, err)
		}
		if err == nil {
			want(t, tr, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
			_ = tr.Close()
		}
	}
}
