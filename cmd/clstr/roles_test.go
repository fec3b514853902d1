package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// These tests hold the table of roles in docs/security.md.

type role struct {
	name, inbox        string
	publish, subscribe []string
}

func roles(t *testing.T) map[string]role {
	t.Helper()
	b, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	all := map[string]role{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 4 || !strings.HasPrefix(cells[0], "| `") {
			continue
		}
		words := func(cell string) (texts []string) {
			for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
				texts = append(texts, m[1])
			}
			return texts
		}
		r := role{name: words(cells[0])[0], publish: words(cells[2]), subscribe: words(cells[3])}
		if inbox := words(cells[1]); inbox != nil {
			r.inbox = inbox[0]
		}
		all[r.name] = r
	}
	if len(all) != 6 {
		t.Fatalf("docs/security.md has %d roles: %v", len(all), all)
	}
	return all
}

// roleServer has a user for each role, with what the table allows and no more.
func roleServer(t *testing.T) (url string) {
	var users []*server.User
	for _, r := range roles(t) {
		users = append(users, &server.User{Username: r.name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: r.publish}, Subscribe: &server.SubjectPermission{Allow: r.subscribe},
		}})
	}
	return testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: users}).URL()
}

// login is how a role connects; nothing may be refused to it.
func (r role) login(t *testing.T, refused func(error)) []nats.Option {
	opts := []nats.Option{nats.UserInfo(r.name, "p"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused(err) })}
	if r.inbox != "" {
		opts = append(opts, nats.CustomInboxPrefix(r.inbox))
	}
	return opts
}

// TestRolesAreEnough: with what the table allows a cluster starts, moves its shards and
// answers, handlers ask, and the command looks and drains. Nothing is refused.
func TestRolesAreEnough(t *testing.T) {
	url, all := roleServer(t), roles(t)
	nothing := func(err error) { t.Errorf("the server says: %v", err) }
	connect := func(role string) *natstransport.Transport {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, NATSOptions: all[role].login(t, nothing)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	start := func(name string) (ended <-chan struct{}) {
		tr := connect("data")
		asks, err := cluster.NewClient(cluster.ClientOptions{Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		store, err := natsstore.Open(t.Context(), natsstore.Options{URL: url, NATSOptions: all["control"].login(t, nothing)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		handler := cluster.NewKeyHandler(func(key string) (cluster.ServerHandlerFunc, error) {
			return func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
				if env.Type == "Pass" {
					return asks.Kind("echo").Key("to "+key).RequestRaw(ctx, "Echo", env.Data)
				}
				return env.Data, nil
			}, nil
		})
		node := cluster.NewNode(cluster.NodeOptions{
			NodeID: name, Transport: tr, NumShards: 16, Membership: store, Log: quiet, Kinds: map[string]cluster.ServerHandlerFunc{"echo": handler},
		})
		stop, err := node.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stop() })
		return node.Ended()
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: connect("alice")})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		for i := range 64 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if out, err := client.Kind("echo").Key(fmt.Sprint("k", i)).RequestRaw(ctx, "Pass", []byte("x")); string(out) != "x" || err != nil {
				t.Fatalf("key %d: %q, %v", i, out, err)
			}
			cancel()
		}
	}
	start("one")
	ask()
	ended := start("two")
	ask()
	l := &live{t: t, url: strings.Replace(url, "//", "//look:p@", 1)}
	l.want(0, "two", "nodes")
	l.want(0, "of 16 shards would move", "plan", "--remove", "two")
	l.want(0, "one", "where", "user-1")
	(&live{t: t, url: strings.Replace(url, "//", "//control:p@", 1)}).want(0, "has left", "drain", "two")
	<-ended
	ask()
}

// TestRolesAreLimits: the server refuses to each role what docs/security.md says that
// it may not do.
func TestRolesAreLimits(t *testing.T) {
	url := roleServer(t)
	record := "$KV.clstr_members.s.1"
	for name, no := range map[string]struct{ publish, subscribe []string }{
		"alice": {
			[]string{record, "$KV.clstr_members.bucket", "$JS.API.STREAM.MSG.GET.KV_clstr_members", "$JS.API.STREAM.DELETE.KV_clstr_members", "clstr.own", "clstr.ev.s.1", "_INBOX.bob.x.1-1", "_INBOX.data.x.turns", "clstr.ctl.x"},
			[]string{"clstr.n.*.*", "clstr.n.x._", "clstr.who", "clstr.ev.>", "clstr.ctl.>", "_INBOX.>", "_INBOX.bob.>", ">"},
		},
		"data": {
			[]string{record, "$JS.API.STREAM.MSG.GET.KV_clstr_members", "$JS.API.STREAM.DELETE.KV_clstr_members", "clstr.ev.s.1", "clstr.ctl.x", "other.n.x._"},
			[]string{"clstr.ev.>", "clstr.ctl.>", "_INBOX.>", "_INBOX.alice.>", "other.n.*.*"},
		},
		"control": {
			[]string{"clstr.n.x._", "clstr.who", "clstr.own", "clstr.ev.s.1", "_INBOX.alice.x", "$JS.API.STREAM.DELETE.KV_clstr_members", "$KV.other_members.s.1"},
			[]string{"clstr.n.*.*", "clstr.who", "_INBOX.>"},
		},
		"look": {
			[]string{record, "$KV.clstr_members.n.a.1", "$JS.API.STREAM.CREATE.KV_clstr_members", "$JS.API.STREAM.DELETE.KV_clstr_members", "clstr.n.x._", "clstr.own", "clstr.ev.s.1"},
			[]string{"clstr.n.*.*", "_INBOX.>"},
		},
	} {
		refused := make(chan error, 64)
		nc, err := nats.Connect(url, roles(t)[name].login(t, func(err error) { refused <- err })...)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		said := func(what string) {
			t.Helper()
			select {
			case err := <-refused:
				if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), what) {
					t.Errorf("%s: %s: %v", name, what, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s may: %s", name, what)
			}
		}
		for _, subject := range no.publish {
			if err := nc.Publish(subject, []byte("forged")); err != nil {
				t.Fatal(err)
			}
			said(fmt.Sprintf("Publish to %q", subject))
		}
		for _, subject := range no.subscribe {
			if _, err := nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			said(fmt.Sprintf("Subscription to %q", subject))
		}
	}
}
