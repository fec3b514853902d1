package natsstate_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

const getAccount = "$JS.API.DIRECT.GET.clstr_state.clstr.d.k.7.account."

// steered has JetStream send an answer about a key to a subject, as any user can that may ask about the key.
func steered(t *testing.T, nc *nats.Conn, key, to string) {
	t.Helper()
	if err := nc.PublishRequest(getAccount+key, to, nil); err != nil {
		t.Fatal(err)
	}
}

// becomes reads a record until it is as wanted.
func becomes(t *testing.T, s *natsstate.Store, token state.Token, key string, ok func(state.Entry) bool) {
	t.Helper()
	for ctx := patient(t); ; {
		es, _, err := s.Read(ctx, token, state.Range{Place: state.Records, Shard: 7, Kind: "account", Key: key})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if len(es) == 1 && ok(es[0]) {
			return
		}
	}
}

func unreadable(e state.Entry) bool { return errors.Is(e.Err, state.ErrUnreadable) && e.Rev > 0 }

// TestSteeredAnswers: a user that may only see records has JetStream's answers stored in the place of others. Such a record is
// unreadable, and stops its own key only. In the place of a fence or a signature, an answer counts as none, so the shard goes on with
// its next owner.
func TestSteeredAnswers(t *testing.T) {
	testkit.CheckLeaks(t)
	url := natstest.Serve(t, server.Options{Users: users()}).URL()
	node := open(t, natsstate.Options{URL: as("node", url)})
	token := fenced(t, node, 7, state.Token{})
	for _, key := range []string{"a", "b"} {
		if err := commit(t, node, set(token, key, 1, "ours")); err != nil {
			t.Fatal(err)
		}
	}
	bob, err := nats.Connect(as("bob", url), nats.CustomInboxPrefix("_INBOX.bob"), refuseNothing(t))
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	steered(t, bob, "a", "clstr.d.k.7.account.b")
	becomes(t, node, token, "b", unreadable)
	steered(t, bob, "nobody", "clstr.d.k.7.account.c")
	becomes(t, node, token, "c", unreadable)
	if err := bob.PublishRequest("clstr.in.7.account.a", "clstr.d.k.7.account.e", []byte("mail")); err != nil { // its acknowledgement
		t.Fatal(err)
	}
	becomes(t, node, token, "e", unreadable)
	becomes(t, node, token, "a", func(e state.Entry) bool { return string(e.Record.State) == "ours" })
	for _, key := range []string{"a", "nobody"} {
		for _, at := range []string{"clstr.d.f.7", "clstr.d.own"} {
			steered(t, bob, key, at)
		}
		for n := uint64(2); ; n++ {
			if err := commit(t, node, set(token, "d", n, "ours")); errors.Is(err, state.ErrDeposed) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		token = fenced(t, node, 7, state.Token{})
	}
	if err := commit(t, node, set(token, "a", 2, "still ours")); err != nil {
		t.Error(err)
	}
	becomes(t, node, token, "a", func(e state.Entry) bool { return string(e.Record.State) == "still ours" })
}

// apart are two accounts, as docs/security.md shows them: a user that watches cannot have an answer sent to
// the nodes' account.
const apart = `
accounts {
  NODES {
    jetstream: enabled
    users: [{user: node, password: p}]
    exports: [
      {service: "$JS.API.DIRECT.GET.clstr_state.clstr.d.k.*.account.>"}
      {stream: "clstr.dv.k.*.account.>"}
    ]
  }
  WATCHERS {
    users: [{user: bob, password: p}]
    imports: [
      {service: {account: NODES, subject: "$JS.API.DIRECT.GET.clstr_state.clstr.d.k.*.account.>"}}
      {stream: {account: NODES, subject: "clstr.dv.k.*.account.>"}}
    ]
  }
}
`

// TestWatchersAreApart: a user in an account of its own sees what it may, and changes nothing.
func TestWatchersAreApart(t *testing.T) {
	testkit.CheckLeaks(t)
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(apart), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	url := natstest.Serve(t, *opts).URL()
	node := open(t, natsstate.Options{URL: as("node", url)})
	token := fenced(t, node, 7, state.Token{})
	for _, key := range []string{"a", "b"} {
		if err := commit(t, node, set(token, key, 1, "ours")); err != nil {
			t.Fatal(err)
		}
	}
	bob := client(t, "bob", url, refuseNothing(t))
	seen := make(chan state.Entry, 4)
	stop, err := bob.Watch(state.Range{Place: state.Records, Shard: 7, Kind: "account", Key: "a"}, func(e state.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	becomes(t, bob, state.Token{}, "a", func(e state.Entry) bool { return string(e.Record.State) == "ours" })
	for _, at := range []string{"clstr.d.k.7.account.b", "clstr.d.f.7", "clstr.d.own", "_INBOX.x"} {
		steered(t, bob.Conn(), "a", at)
	}
	becomes(t, bob, state.Token{}, "a", func(e state.Entry) bool { return string(e.Record.State) == "ours" }) // behind them
	if err := commit(t, node, set(token, "a", 2, "newer")); err != nil {
		t.Error(err)
	}
	if e := <-seen; string(e.Record.State) != "newer" {
		t.Errorf("seen %+v", e)
	}
	becomes(t, node, token, "b", func(e state.Entry) bool { return string(e.Record.State) == "ours" })
}
