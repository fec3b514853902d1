package natsstate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/state/statetest"
	"github.com/clstr-go/clstr/testkit"
)

func user(name string, roles ...natsstate.Permissions) *server.User {
	var all natsstate.Permissions
	for _, p := range roles {
		all.Publish, all.Subscribe = append(all.Publish, p.Publish...), append(all.Subscribe, p.Subscribe...)
	}
	return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: append(all.Publish, "unused")},
		Subscribe: &server.SubjectPermission{Allow: append(all.Subscribe, "unused")},
	}}
}

func inboxOf(name string) natsstate.Permissions {
	return natsstate.Permissions{Subscribe: []string{"_INBOX." + name + ".>"}}
}

func as(name, url string) string { return strings.Replace(url, "//", "//"+name+":p@", 1) }

// users are the roles of a cluster: its nodes' stores, a client that sends mail, and one that
// watches accounts too.
func users() []*server.User {
	return []*server.User{
		user("node", natsstate.NodePermissions("")),
		user("alice", natsstate.ClientPermissions(""), inboxOf("alice")),
		user("bob", natsstate.ClientPermissions(""), natsstate.WatchPermissions("", "account"), inboxOf("bob")),
	}
}

func refuseNothing(t *testing.T) nats.Option {
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("the server says: %v", err) })
}

// client is a store that is opened for a client.
func client(t *testing.T, name, url string, more ...nats.Option) *natsstate.Store {
	return open(t, natsstate.Options{URL: as(name, url), Client: true, NATSOptions: append(more, nats.CustomInboxPrefix("_INBOX."+name))})
}

func TestNodeUserIsEnough(t *testing.T) {
	testkit.CheckLeaks(t)
	statetest.Run(t, statetest.Harness{New: func(t *testing.T) func(bool) state.Store {
		url := as("node", natstest.Serve(t, server.Options{Users: users()}).URL())
		return func(adopt bool) state.Store {
			return open(t, natsstate.Options{URL: url, Adopt: adopt, NATSOptions: []nats.Option{refuseNothing(t)}})
		}
	}})
}

// Each of the permissions is needed, and that one is missing is said.
func TestMissingPermissions(t *testing.T) {
	all := natsstate.NodePermissions("clstr")
	without := func(subjects []string, missing string) []string {
		return slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return s == missing })
	}
	for _, missing := range append(slices.Clone(all.Publish), all.Subscribe...) {
		t.Run(missing, func(t *testing.T) {
			p := natsstate.Permissions{Publish: without(all.Publish, missing), Subscribe: without(all.Subscribe, missing)}
			url := as("u", natstest.Serve(t, server.Options{Users: []*server.User{user("u", p)}}).URL())
			refused := make(chan error, 64)
			told := nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				if errors.Is(err, nats.ErrPermissionViolation) {
					refused <- err
				}
			})
			ctx, cancel := context.WithCancel(patient(t))
			ended := make(chan struct{})
			go func() { // the test waits for it, before its server ends
				defer close(ended)
				useAll(ctx, url, told)
			}()
			defer func() { cancel(); <-ended }()
			stem := `"` + strings.TrimSuffix(missing, ">")
			for {
				select {
				case err := <-refused:
					if strings.Contains(err.Error(), stem) {
						return
					}
				case <-patient(t).Done():
					t.Errorf("nothing names %s", missing)
					return
				}
			}
		})
	}
}

// useAll does everything that a node's store can.
func useAll(ctx context.Context, url string, told nats.Option) {
	s, err := natsstate.Open(ctx, natsstate.Options{URL: url, Log: slog.New(slog.DiscardHandler), NATSOptions: []nats.Option{told}})
	if err != nil {
		return
	}
	defer s.Close()
	for _, p := range []state.Place{state.Records, state.Inbox} {
		if stop, err := s.Watch(state.Range{Place: p, Shard: 1}, func(state.Entry) {}); err == nil {
			defer stop()
		}
	}
	_, _ = s.Append(ctx, state.Mail{Shard: 1, Kind: "k", Key: "a"})
	_, _, _ = s.Read(ctx, state.Token{}, state.Range{Place: state.Inbox, Shard: 1})
	token, err := s.Open(ctx, 1, state.Owner{}, state.Token{})
	if err != nil {
		return
	}
	c := set(token, "a", 1, "x")
	c.Drop = []state.Ref{{Place: state.Mails, Rev: 1}, {Place: state.Inbox, Rev: 1}}
	done := make(chan struct{})
	s.Commit(c, func(state.Rev, error) { close(done) })
	<-done
	_, _, _ = s.Read(ctx, token, state.Range{Place: state.Records, Shard: 1, Kind: "k", Key: "a"})
	<-ctx.Done()
}

// A client sends mail and watches what it may. Everything else is refused: at the store, and by
// the server.
func TestClients(t *testing.T) {
	testkit.CheckLeaks(t)
	url := natstest.Serve(t, server.Options{Users: users()}).URL()
	node := open(t, natsstate.Options{URL: as("node", url)})
	token := fenced(t, node, 7, state.Token{})
	if err := commit(t, node, set(token, "a", 1, "ours")); err != nil {
		t.Fatal(err)
	}
	bob := client(t, "bob", url, refuseNothing(t))
	if _, err := bob.Append(patient(t), state.Mail{Shard: 7, Kind: "account", Key: "a", ID: "1", Payload: []byte("hello")}); err != nil {
		t.Errorf("Append: %v", err)
	}
	of := state.Range{Place: state.Records, Shard: 7, Kind: "account", Key: "a"}
	if es, _, err := bob.Read(patient(t), state.Token{}, of); err != nil || len(es) != 1 || string(es[0].Record.State) != "ours" || es[0].Key != "a" {
		t.Errorf("Read: %+v, %v", es, err)
	}
	if es, _, err := bob.Read(patient(t), state.Token{}, state.Range{Place: state.Records, Shard: 7, Kind: "account", Key: "nobody"}); err != nil || len(es) != 0 {
		t.Errorf("Read of a key that is not there: %+v, %v", es, err)
	}
	seen := make(chan state.Entry, 1)
	stop, err := bob.Watch(of, func(e state.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := commit(t, node, set(token, "a", 2, "newer")); err != nil {
		t.Fatal(err)
	}
	if e := <-seen; string(e.Record.State) != "newer" {
		t.Errorf("seen %+v", e)
	}
	_, err = bob.Open(patient(t), 7, state.Owner{}, state.Token{})
	wantError(t, "Open", err, state.ErrInvalid)
	wantError(t, "Commit", commit(t, bob, set(token, "a", 3, "forged")), state.ErrInvalid)
	_, _, err = bob.Read(patient(t), token, of)
	wantError(t, "a read under a token", err, state.ErrInvalid)

	alice := client(t, "alice", url)
	_, err = alice.Watch(of, func(state.Entry) {})
	wantError(t, "a watch that is not permitted", err, outcome.ErrNotPermitted)
	_, _, err = alice.Read(patient(t), state.Token{}, of)
	wantError(t, "a read that is not permitted", err, outcome.ErrNotPermitted)
	of.Kind = "secret"
	_, err = client(t, "bob", url).Watch(of, func(state.Entry) {})
	wantError(t, "a watch of another kind", err, outcome.ErrNotPermitted)
}

// A hostile client has the right to publish one subject of the inbox, and uses every header that
// does more elsewhere. Nothing of others changes.
func TestHostileClient(t *testing.T) {
	testkit.CheckLeaks(t)
	url := natstest.Serve(t, server.Options{Users: users()}).URL()
	node := open(t, natsstate.Options{URL: as("node", url)})
	token := fenced(t, node, 7, state.Token{})
	if err := commit(t, node, set(token, "a", 1, "ours")); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Append(patient(t), state.Mail{Shard: 7, Kind: "account", Key: "a", Payload: []byte("mail")}); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 64)
	alice, err := nats.Connect(as("alice", url), nats.CustomInboxPrefix("_INBOX.alice"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	const record = "clstr.d.k.7.account.a"
	for _, headers := range []map[string]string{
		{"Nats-Rollup": "all"},
		{"Nats-Rollup": "sub"},
		{"Nats-TTL": "1s"},
		{"Nats-Schedule": "@at 2020-01-01T00:00:00Z", "Nats-Schedule-Target": record},
		{"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "clstr.in.7.account.a"},
		{"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1"},
		{"Nats-Batch-Id": "c", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1"},
		{"Nats-Incr": "1"},
	} {
		m := nats.NewMsg("clstr.in.7.account.a")
		for name, value := range headers {
			m.Header[name] = []string{value}
		}
		answer, err := alice.RequestMsg(m, patience)
		if err != nil || !strings.Contains(string(answer.Data), `"error"`) {
			t.Errorf("headers %v: %v, %v", headers, answer, err)
		}
	}
	subjects := []string{record, "clstr.d.f.7", "clstr.d.own", "clstr.dv.k.7.account.a", "clstr.inv.7.account.a", node.Conn().NewInbox()}
	for _, stream := range []string{"clstr_state", "clstr_inbox"} {
		for _, api := range []string{"STREAM.DELETE.", "STREAM.PURGE.", "STREAM.UPDATE.", "STREAM.CREATE.", "STREAM.INFO.", "STREAM.MSG.DELETE.", "STREAM.MSG.GET.", "DIRECT.GET.", "CONSUMER.CREATE."} {
			subjects = append(subjects, "$JS.API."+api+stream)
		}
	}
	subjects = append(subjects, "$JS.API.DIRECT.GET.clstr_state."+record)
	for _, subject := range subjects {
		if err := alice.PublishRequest(subject, "_INBOX.alice.x", []byte("forged")); err != nil {
			t.Fatal(err)
		}
		if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
			t.Errorf("publishing to %s: %v", subject, err)
		}
	}
	for _, subject := range []string{"clstr.dv.>", "clstr.dv.k.7.account.a", "clstr.inv.>", "clstr.sti.>", "_INBOX.>", "clstr.in.>"} {
		if _, err := alice.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
			t.Errorf("subscribing to %s: %v", subject, err)
		}
	}
	// What is no mail is unreadable, by its revision, and leaves the rest alone.
	if answer, err := alice.Request("clstr.in.7.account.a", []byte("no head"), patience); err != nil || strings.Contains(string(answer.Data), "error") {
		t.Fatalf("%v, %v", answer, err)
	}
	es, _, err := node.Read(patient(t), token, state.Range{Place: state.Inbox, Shard: 7})
	if err != nil || len(es) != 2 || es[0].Err != nil || string(es[0].Mail.Payload) != "mail" || !errors.Is(es[1].Err, state.ErrUnreadable) || es[1].Rev == 0 {
		t.Errorf("the inbox: %+v, %v", es, err)
	}
	if es, _, err := node.Read(patient(t), token, state.Range{Place: state.Records, Shard: 7}); err != nil || len(es) != 1 || string(es[0].Record.State) != "ours" {
		t.Errorf("the record: %+v, %v", es, err)
	}
	if err := commit(t, node, set(token, "a", 2, "still ours")); err != nil {
		t.Error(err)
	}
}

// Streams that an operator has made need no permission to make any.
func TestNoPermissionToCreate(t *testing.T) {
	p := natsstate.NodePermissions("")
	p.Publish = slices.DeleteFunc(p.Publish, func(s string) bool { return strings.Contains(s, "CREATE") })
	url := natstest.Serve(t, server.Options{Users: []*server.User{user("node", natsstate.NodePermissions("")), user("less", p)}}).URL()
	open(t, natsstate.Options{URL: as("node", url)}).Close()
	s := open(t, natsstate.Options{URL: as("less", url), NATSOptions: []nats.Option{refuseNothing(t)}})
	if err := commit(t, s, set(fenced(t, s, 1, state.Token{}), "a", 1, "x")); err != nil {
		t.Error(err)
	}
}

// TestDocumentedPermissions: what the package comment and docs/security.md show is what these tests
// hold.
func TestDocumentedPermissions(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	roles, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for role, p := range map[string]natsstate.Permissions{"states": natsstate.NodePermissions(""), "watcher": natsstate.WatchPermissions("", "account")} {
		_, row, _ := strings.Cut(string(roles), "| `"+role+"`")
		row, _, _ = strings.Cut(row, "\n")
		for _, subject := range append(p.Publish, p.Subscribe...) {
			if !strings.Contains(row, "`"+subject+"`") {
				t.Errorf("docs/security.md does not give %s to %s", subject, role)
			}
		}
	}
	words := strings.Fields(string(text))
	for _, p := range []natsstate.Permissions{natsstate.NodePermissions(""), natsstate.ClientPermissions(""), natsstate.LookPermissions(""), natsstate.WatchPermissions("", "account")} {
		for _, subject := range append(p.Publish, p.Subscribe...) {
			if !slices.Contains(words, subject) {
				t.Errorf("the package comment does not show %s", subject)
			}
		}
	}
	if got, want := fmt.Sprint(natsstate.WatchPermissions("x.y", "a b")), "{[$JS.API.DIRECT.GET.x_y_state.x.y.d.k.*.=YSBi.>] [x.y.dv.k.*.=YSBi.>]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fmt.Sprint(natsstate.WatchPermissions("")), "{[$JS.API.DIRECT.GET.clstr_state.clstr.d.k.>] [clstr.dv.k.>]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
