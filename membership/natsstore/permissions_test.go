package natsstore_test

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/membership/storetest"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
)

func user(name string, p natsstore.Permissions) *server.User {
	return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: p.Publish},
		Subscribe: &server.SubjectPermission{Allow: p.Subscribe},
	}}
}

// What the package comment says of the users of a cluster: the store's, the
// transport's on a node, and the transport's in a client.
func users() []*server.User {
	data := []string{"clstr.n.>", "clstr.who", "clstr.own"}
	return []*server.User{
		user("control", natsstore.ControlPermissions("")),
		user("data", natsstore.Permissions{Publish: append(data, "_INBOX.>"), Subscribe: append(data[:3:3], "_INBOX.data.>")}),
		user("alice", natsstore.Permissions{Publish: []string{"clstr.n.>", "clstr.who"}, Subscribe: []string{"clstr.own", "_INBOX.alice.>"}}),
	}
}

func as(name, url string) string { return strings.Replace(url, "//", "//"+name+":p@", 1) }

func TestControlUserIsEnoughForAStore(t *testing.T) {
	testkit.CheckLeaks(t)
	storetest.Run(t, func(t *testing.T) membership.Store {
		url := as("control", natstest.Serve(t, server.Options{Users: users()}).URL())
		return open(t, natsstore.Options{URL: url, NATSOptions: []nats.Option{refuseNothing(t)}})
	})
}

func refuseNothing(t *testing.T) nats.Option {
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("the server says: %v", err) })
}

// Each of the permissions is needed, and that one is missing is said at once.
func TestMissingPermissions(t *testing.T) {
	all := natsstore.ControlPermissions("clstr")
	without := func(subjects []string, missing string) []string {
		return slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return s == missing })
	}
	for _, missing := range append(slices.Clone(all.Publish), all.Subscribe...) {
		t.Run(missing, func(t *testing.T) {
			p := natsstore.Permissions{Publish: without(all.Publish, missing), Subscribe: without(all.Subscribe, missing)}
			p.Publish, p.Subscribe = append(p.Publish, "unused"), append(p.Subscribe, "unused")
			url := as("u", natstest.Serve(t, server.Options{Users: []*server.User{user("u", p)}}).URL())
			err := useAll(t, url)
			wantError(t, "without it", err, outcome.ErrNotPermitted)
			stem := strings.TrimSuffix(missing, ">")
			if err != nil && !strings.Contains(err.Error(), `"`+stem) {
				t.Errorf("%v does not name %s", err, missing)
			}
		})
	}
}

// useAll does everything that a store can.
func useAll(t *testing.T, url string) error {
	s, err := natsstore.Open(patient(t), natsstore.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	_, werr := s.Write(patient(t), "cfg", 0, []byte("x"))
	_, rerr := s.Read(patient(t), "cfg")
	_, _, serr := s.Snapshot(patient(t), "n.")
	stop, err := s.Watch(func(membership.Entry) {})
	if err == nil {
		stop()
	}
	return errors.Join(werr, rerr, serr, err)
}

// Whoever carries requests can neither take a shard nor forge that another has.
func TestDataUsersCannotTouchOwnership(t *testing.T) {
	url := natstest.Serve(t, server.Options{Users: users()}).URL()
	store := open(t, natsstore.Options{URL: as("control", url)})
	key := record.ShardKey(1)
	rev := write(t, store, key, 0, "ours")
	seen := make(chan membership.Entry, 8)
	stop, err := store.Watch(func(e membership.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, name := range []string{"data", "alice"} {
		refused := make(chan error, 64)
		nc, err := nats.Connect(as(name, url), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		for _, subject := range []string{
			"$KV.clstr_members." + key,
			"$KV.clstr_members.n.x.1",
			"clstr.ev." + key,
			store.Conn().NewInbox(),
			"$JS.API.STREAM.DELETE.KV_clstr_members",
			"$JS.API.STREAM.PURGE.KV_clstr_members",
			"$JS.API.STREAM.UPDATE.KV_clstr_members",
			"$JS.API.STREAM.CREATE.KV_clstr_members",
			"$JS.API.STREAM.MSG.DELETE.KV_clstr_members",
			"$JS.API.STREAM.MSG.GET.KV_clstr_members",
			"$JS.API.DIRECT.GET.KV_clstr_members",
		} {
			if err := nc.PublishRequest(subject, "_INBOX.x", []byte("forged")); err != nil {
				t.Fatal(err)
			}
			if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "Publish to \""+subject) {
				t.Errorf("%s publishes to %s: %v", name, subject, err)
			}
		}
		for _, subject := range []string{"clstr.ctl.>", "clstr.ev.>", "_INBOX.>", "_INBOX.bob.>", "_INBOX.*.*"} {
			if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
				t.Fatal(err)
			}
			if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
				t.Errorf("%s subscribes to %s: %v", name, subject, err)
			}
		}
	}
	replyInjection(t, url, key)
	if e := read(t, store, key); e.Rev != rev || string(e.Value) != "ours" {
		t.Errorf("the record is %+v, want ours at %d", e, rev)
	}
	write(t, store, key, rev, "mine")
	if e := <-seen; string(e.Value) != "mine" {
		t.Errorf("saw %+v, which somebody has forged", e)
	}
}

// replyInjection has a client ask a node to reply to a record.
func replyInjection(t *testing.T, url, key string) {
	refused := make(chan error, 1)
	node, err := nats.Connect(as("data", url), nats.CustomInboxPrefix("_INBOX.data"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if _, err := node.Subscribe("clstr.n.x._", func(m *nats.Msg) { _ = m.Respond([]byte("forged")) }); err != nil {
		t.Fatal(err)
	}
	if err := node.Flush(); err != nil {
		t.Fatal(err)
	}
	client, err := nats.Connect(as("alice", url))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.PublishRequest("clstr.n.x._", "$KV.clstr_members."+key, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("the node's reply to a record: %v", err)
	}
}

// A bucket that an operator has made needs no permission to make one.
func TestNoPermissionToCreate(t *testing.T) {
	p := natsstore.ControlPermissions("")
	p.Publish = slices.DeleteFunc(p.Publish, func(s string) bool { return strings.Contains(s, "CREATE") })
	url := natstest.Serve(t, server.Options{Users: []*server.User{user("control", natsstore.ControlPermissions("")), user("less", p)}}).URL()
	open(t, natsstore.Options{URL: as("control", url)}).Close()
	if err := useAll(t, as("less", url)); err != nil {
		t.Error(err)
	}
}

// TestDocumentedPermissions: what the package comment shows is what these tests hold.
func TestDocumentedPermissions(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var shown []natsstore.Permissions
	var list *[]string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(strings.TrimPrefix(line, "//"))
		switch {
		case !strings.HasPrefix(line, "//\t"):
			list = nil
			continue
		case words[0] == "publish":
			shown = append(shown, natsstore.Permissions{})
			list = &shown[len(shown)-1].Publish
		case words[0] == "subscribe":
			list = &shown[len(shown)-1].Subscribe
		}
		for _, word := range words {
			if list != nil && (strings.HasPrefix(word, "$") || strings.HasPrefix(word, "clstr.") || strings.HasPrefix(word, "_INBOX.")) {
				*list = append(*list, word)
			}
		}
	}
	held := users()
	if len(shown) != len(held) {
		t.Fatalf("%d users are shown, want %d", len(shown), len(held))
	}
	for i, u := range held {
		if p := shown[i]; !slices.Equal(p.Publish, u.Permissions.Publish.Allow) || !slices.Equal(p.Subscribe, u.Permissions.Subscribe.Allow) {
			t.Errorf("%s is shown to publish %q and subscribe %q, want %q and %q", u.Username, p.Publish, p.Subscribe, u.Permissions.Publish.Allow, u.Permissions.Subscribe.Allow)
		}
	}
}

// TestNoPermissionToCreateWhereThereIsNone: a user who may not make the bucket is told
// which, and the command for one who may, at the start and when it is gone later. The
// bucket that the command makes serves.
func TestNoPermissionToCreateWhereThereIsNone(t *testing.T) {
	p := natsstore.ControlPermissions("")
	p.Publish = slices.DeleteFunc(p.Publish, func(s string) bool { return strings.Contains(s, "CREATE") })
	url := natstest.Serve(t, server.Options{Users: []*server.User{{Username: "admin", Password: "p"}, user("less", p)}}).URL()
	told := func(what string, err error) {
		t.Helper()
		wantError(t, what, err, outcome.ErrNotPermitted)
		if err != nil && !strings.Contains(err.Error(), "nats kv add clstr_members --history 1 --replicas 1 --marker-ttl 1m --republish-source '$KV.clstr_members.>' --republish-destination 'clstr.ev.>'") {
			t.Errorf("%s: %v does not say what makes it", what, err)
		}
	}
	_, err := natsstore.Open(patient(t), natsstore.Options{URL: as("less", url), Log: slog.New(slog.DiscardHandler)})
	told("Open", err)
	js := createStream(t, as("admin", url), asCommanded())
	store := open(t, natsstore.Options{URL: as("less", url)})
	write(t, store, "cfg", 0, "x")
	if err := js.DeleteStream(patient(t), "KV_clstr_members"); err != nil {
		t.Fatal(err)
	}
	told("Make", store.Make(patient(t)))
	createStream(t, as("admin", url), asCommanded())
	if err := store.Make(patient(t)); err != nil {
		t.Error(err)
	}
	write(t, store, "cfg", 0, "x")
}

// asCommanded is the bucket that the nats tool makes of the command.
func asCommanded() jetstream.StreamConfig {
	c := fit()
	c.MaxBytes, c.Description, c.DenyDelete, c.AllowRollup, c.SubjectDeleteMarkerTTL = -1, "", true, true, time.Minute
	return c
}
