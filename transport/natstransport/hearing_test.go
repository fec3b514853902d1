package natstransport_test

import (
	"errors"
	"log/slog"
	"net"
	"strings"
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

func hearer(t testing.TB, tr *natstransport.Transport) dispatch.Hearer {
	t.Helper()
	h, ok := tr.Backend().(dispatch.Hearer)
	if !ok {
		t.Fatal("the transport cannot tell whether it hears")
	}
	return h
}

// heard returns how much has come.
func heard(t testing.TB, h dispatch.Hearer) uint64 {
	t.Helper()
	n, known := h.Heard()
	if !known {
		t.Fatal("the transport does not know whether it hears")
	}
	return n
}

// hearingProvocations are among those of TestNoPayloadInNATSLogsAndErrors.
var hearingProvocations = []provocation{
	{"a connection over which nothing comes", []string{"nothing comes over the NATS connection: connecting to another server"}, func(t *testing.T, w *secretWatch) {
		hearer(t, w.connect(natstransport.Options{URL: testkit.StartNATS(t)})).AskItself(true)
	}},
	{"no right to ask oneself", []string{"not permitted to publish to its own inbox: this end does not notice a connection over which nothing comes"}, func(t *testing.T, w *secretWatch) {
		hearer(t, w.connect(natstransport.Options{URL: silentUser(t), NATSOptions: []nats.Option{nats.UserInfo("node", "p")}})).AskItself(false)
	}},
}

// silentUser is a server with a user node that may publish next to nothing.
func silentUser(t *testing.T) (url string) {
	user := &server.User{Username: "node", Password: "p", Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"clstr.own"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"clstr.n.*.*", "clstr.who", "clstr.own", "_INBOX.>"}},
	}}
	return testkit.StartNATSServer(t, &server.Options{Users: []*server.User{user}}).URL()
}

// TestAsksItself: what an end sends to itself arrives, and counts once. So does all that comes.
func TestAsksItself(t *testing.T) {
	url := testkit.StartNATS(t)
	node, client := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	h := hearer(t, node)
	for range 3 {
		before := heard(t, h)
		h.AskItself(false)
		eventually(t, "its own question", func() bool { return heard(t, h) == before+1 })
	}
	serve(t, node, 1, echo)
	before := heard(t, h)
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	if now := heard(t, h); now == before {
		t.Error("a request has come, and does not count")
	}
	before = heard(t, h)
	if err := serve(t, node, 2, echo).Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if now := heard(t, h); now != before {
		t.Error("the end of a subscription counts as something that has come")
	}
}

// TestCallerNamedSelf: what another end sends is no question to this end itself, whatever the name of that end.
func TestCallerNamedSelf(t *testing.T) {
	url := testkit.StartNATS(t)
	serve(t, connect(t, natstransport.Options{URL: url}), 1, echo)
	client := connect(t, natstransport.Options{URL: url, Caller: "self"})
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
}

// TestSwallowedConnection: nothing that is sent over the connection arrives, and TCP does not notice.
// The end connects anew when it is told to.
func TestSwallowedConnection(t *testing.T) {
	p := startProxy(t, testkit.StartNATS(t))
	node := connect(t, natstransport.Options{URL: p.url(), NATSOptions: append(soon(), nats.PingInterval(time.Hour), never)})
	h := hearer(t, node)
	p.freeze()
	t.Cleanup(p.thaw) // before the transport is closed
	before := heard(t, h)
	for range 5 {
		h.AskItself(false)
	}
	if now := heard(t, h); now != before {
		t.Fatal("something has come")
	}
	h.AskItself(true)
	eventually(t, "a new connection", func() bool {
		h.AskItself(false)
		return heard(t, h) > before
	})
}

// TestGivenConnectionIsNotMadeAnew: it may have other users.
func TestGivenConnectionIsNotMadeAnew(t *testing.T) {
	nc := dial(t, testkit.StartNATS(t))
	h := hearer(t, connect(t, natstransport.Options{Conn: nc}))
	before := heard(t, h)
	h.AskItself(true)
	eventually(t, "its own question", func() bool { return heard(t, h) > before })
	if n := nc.Stats().Reconnects; n != 0 {
		t.Errorf("it has connected anew %d times", n)
	}
}

// TestNotPermittedToAskItself: an end that may not publish to its inbox says that it cannot tell.
func TestNotPermittedToAskItself(t *testing.T) {
	node, log := login(t, false, silentUser(t), "node")
	h := hearer(t, node)
	h.AskItself(false)
	eventually(t, "the refusal", func() bool { _, known := h.Heard(); return !known })
	h.AskItself(false)
	node.Sync(patient(t))
	if n := strings.Count(log.String(), "does not notice a connection over which nothing comes"); n != 1 {
		t.Errorf("the log says so %d times:\n%s", n, log)
	}
}

// TestRightToSubscribeIsTakenAway: the server says so when its configuration is read again, and the
// end passes it on.
func TestRightToSubscribeIsTakenAway(t *testing.T) {
	opts := func(subscribe ...string) *server.Options {
		return &server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, Users: []*server.User{{
			Username: "node", Password: "p", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{">"}},
				Subscribe: &server.SubjectPermission{Allow: append(subscribe, "_INBOX.>")},
			},
		}}}
	}
	s, err := server.NewServer(opts("clstr.n.*.*", "clstr.who", "clstr.own"))
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	node := connect(t, natstransport.Options{URL: s.ClientURL(), Log: slog.New(slog.DiscardHandler), NATSOptions: []nats.Option{nats.UserInfo("node", "p")}})
	serve(t, node, 1, echo)
	h := hearer(t, node)
	if err := h.Refused(); err != nil {
		t.Fatal(err)
	}
	fewer := opts()
	fewer.Port = s.Addr().(*net.TCPAddr).Port
	if err := s.ReloadOptions(fewer); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal", func() bool { return h.Refused() != nil })
	if err := h.Refused(); !errors.Is(err, outcome.ErrNotPermitted) {
		t.Errorf("it says %v", err)
	}
}
