package natstransport_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// guarded is a server whose users lack one right each of those that
// docs/wire-format.md lists for owners.
func guarded(t *testing.T) (url string) {
	user := func(name string, publish, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: append(subscribe, "_INBOX.>")},
		}}
	}
	return testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		user("node", []string{"_INBOX.>", "clstr.own"}, []string{"clstr.n.*.*", "clstr.who"}),
		user("silent", []string{"_INBOX.>"}, []string{"clstr.n.*.*", "clstr.who"}),
		user("fixed", []string{"_INBOX.>", "clstr.own"}, []string{"clstr.n.*.*"}),
		user("client", []string{"clstr.n.*.*", "clstr.who"}, []string{"clstr.own"}),
		user("deaf", []string{"clstr.n.*.*", "clstr.who"}, nil),
		user("shy", []string{"clstr.n.*.*"}, []string{"clstr.own"}),
	}}).URL()
}

// login connects as a user, and keeps what is logged.
func login(t *testing.T, given bool, url, user string) (*natstransport.Transport, *lockedBuffer) {
	t.Helper()
	log := new(lockedBuffer)
	opts := natstransport.Options{Log: slog.New(slog.NewTextHandler(log, nil))}
	more := []nats.Option{nats.UserInfo(user, "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
	if given {
		opts.Conn = dial(t, url, more...)
	} else {
		opts.URL, opts.NATSOptions = url, more
	}
	return connect(t, opts), log
}

func TestRightsOfOwners(t *testing.T) {
	for _, given := range []bool{false, true} {
		url := guarded(t)
		node, _ := login(t, given, url, "node")
		r := &records{epochs: make([]uint64, 4)}
		if _, err := node.Backend().ServeOwners(patient(t), r); err != nil {
			t.Fatal(err)
		}
		old := own(t, node, r, 1, 3, says("old"))
		client, _ := login(t, given, url, "client")
		deaf, log := login(t, given, url, "deaf")
		for _, c := range []*natstransport.Transport{client, deaf} {
			want(t, c, transport.Envelope{Shard: 1, Type: "Who"}, "old")
		}
		eventually(t, "the log tells", func() bool { return strings.Contains(log.String(), "not permitted to hear of new owners") })
		if err := old.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
		own(t, node, r, 1, 4, says("new"))
		for _, c := range []*natstransport.Transport{client, deaf} {
			want(t, c, transport.Envelope{Shard: 1, Type: "Who"}, "new")
		}

		silent, log := login(t, given, url, "silent")
		own(t, silent, r, 2, 7, says("silent"))
		eventually(t, "the log tells", func() bool { return strings.Contains(log.String(), "not permitted to announce new owners") })
		for _, c := range []*natstransport.Transport{client, deaf} {
			c.MayAsk()
			want(t, c, transport.Envelope{Shard: 2, Type: "Who"}, "silent")
		}

		denied, _ := login(t, given, url, "fixed")
		_, err := denied.Backend().ServeOwners(patient(t), r)
		failed(t, err, outcome.ErrNotPermitted, outcome.NotStarted)
		if !strings.Contains(err.Error(), "clstr.who") {
			t.Errorf("the error does not say what is not permitted: %v", err)
		}
		want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "new") // another answers still
	}
}

// A client that may not ask reaches no node, and is told at once, and once in the log.
func TestMayNotAsk(t *testing.T) {
	for _, given := range []bool{false, true} {
		url := guarded(t)
		node, _ := login(t, given, url, "node")
		serve(t, node, 0, echo)
		client, log := login(t, given, url, "shy")
		for range 5 {
			refused(t, client, transport.Envelope{Shard: 0, Type: "Echo"}, outcome.ErrNotPermitted, outcome.NotStarted)
		}
		if n := strings.Count(log.String(), "not permitted to ask for the owners"); n != 1 {
			t.Errorf("the log tells %d times that it may not ask:\n%s", n, log.String())
		}
	}
}

// TestMayNotAskForTurns: a node without the right to ask another one hears of it at once.
func TestMayNotAskForTurns(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		{Username: "node", Password: "p"},
		{Username: "shy", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"clstr.>"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}},
	}}).URL()
	for _, given := range []bool{false, true} {
		node, _ := login(t, given, url, "node")
		sub := serve(t, node, 0, echo)
		shy, _ := login(t, given, url, "shy")
		for range 5 {
			ctx := patient(t)
			_, err := shy.AskTurns(ctx, 0, about(false)[1:])
			if ctx.Err() != nil {
				t.Fatalf("waited for %v: %v", patience, err)
			}
			failed(t, err, outcome.ErrNotPermitted, outcome.NotStarted)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}
