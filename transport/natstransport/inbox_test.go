package natstransport_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// What docs/wire-format.md says of inboxes: a client that may subscribe to all of
// _INBOX.> reads what others are answered, and has a node answer in another's call.
// With an inbox prefix for each user it can do neither.
func TestSharedInbox(t *testing.T) {
	for name, shared := range map[string]bool{"shared": true, "a prefix for each user": false} {
		t.Run(name, func(t *testing.T) {
			user := func(name string, publish, subscribe []string) *server.User {
				inbox := "_INBOX." + name + ".>"
				if shared {
					inbox = "_INBOX.>"
				}
				return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
					Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: append(subscribe, inbox)},
				}}
			}
			ask := []string{"clstr.n.*.*", "clstr.who"}
			url := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
				user("alice", ask, []string{"clstr.own"}), user("mallory", ask, []string{"clstr.own"}),
				user("n1", []string{"_INBOX.>", "clstr.own", "clstr.who"}, ask),
			}}).URL()
			login := func(name string) []nats.Option {
				return []nats.Option{nats.UserInfo(name, "p"), nats.CustomInboxPrefix("_INBOX." + name)}
			}
			node := connect(t, natstransport.Options{URL: url, NATSOptions: login("n1")})
			entered, release := make(chan struct{}, 1), make(chan struct{})
			serve(t, node, 1, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
				if env.Type == "Hold" {
					entered <- struct{}{}
					select {
					case <-release:
					case <-ctx.Done():
					}
				}
				return env.Data, nil
			})
			heard, denials := make(chan *nats.Msg, 8), make(chan error, 8)
			mallory := dial(t, url, append(login("mallory"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denials <- err }))...)
			if _, err := mallory.Subscribe("_INBOX.>", func(m *nats.Msg) { heard <- m }); err != nil {
				t.Fatal(err)
			}
			if err := mallory.Flush(); err != nil {
				t.Fatal(err)
			}
			alice := connect(t, natstransport.Options{URL: url, NATSOptions: login("alice")})
			want(t, alice, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("a secret")}, "a secret")
			if !shared {
				if err := receive(t, "a denial", denials); !strings.Contains(err.Error(), `Subscription to "_INBOX.>"`) {
					t.Error(err)
				}
				if len(heard) > 0 {
					t.Errorf("heard %q", (<-heard).Subject)
				}
				return
			}
			var m *nats.Msg
			for m == nil || !strings.Contains(string(m.Data), "a secret") { // who answers about owners is heard as well
				m = receive(t, "another's reply", heard)
			}
			inbox, call, _ := strings.Cut(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], "-")
			if call != "1" {
				t.Fatalf("the reply went to %s", m.Subject)
			}
			first, err := strconv.ParseUint(inbox, 36, 64)
			if err != nil {
				t.Fatal(err)
			}
			held := start(patient(t), alice, transport.Envelope{Shard: 1, Type: "Hold", Data: []byte("the truth")})
			receive(t, "the handler", entered)
			forged := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("forged")}, 0, nil, 0), first+1)
			reply := fmt.Sprintf("%s.%s-1", m.Subject[:strings.LastIndexByte(m.Subject, '.')], strconv.FormatUint(first+1, 36))
			if err := mallory.PublishRequest("clstr.n."+node.Backend().Address()+"._", reply, forged); err != nil {
				t.Fatal(err)
			}
			if r := receive(t, "alice's call", held); string(r.data) != "forged" || r.err != nil {
				t.Errorf("alice is answered %q, %v: the document says that she can be deceived", r.data, r.err)
			}
			close(release)
		})
	}
}
