package natstransport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

func TestUserAndPassword(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{Username: "u", Password: "p"}).URL()
	_, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: silent})
	failed(t, err, outcome.ErrNotPermitted, outcome.NotSent)
	_, err = natstransport.Open(t.Context(), natstransport.Options{URL: "nats://u:secret@[::1", Log: silent})
	failed(t, err, outcome.ErrBadOption, outcome.NotSent)
	tr := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true, NATSOptions: []nats.Option{nats.UserInfo("u", "p")}})
	serve(t, tr, 7, echo)
	want(t, tr, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
}

func TestTLS(t *testing.T) {
	cert, pool := selfSigned(t)
	url := testkit.StartNATSServer(t, &server.Options{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, TLSTimeout: 10,
	}).URL()
	_, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: silent})
	failed(t, err, outcome.ErrDisconnected, outcome.NotSent) // nobody it trusts
	tr := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true, NATSOptions: []nats.Option{
		nats.Secure(&tls.Config{RootCAs: pool, ServerName: "clstr.test", MinVersion: tls.VersionTLS12}),
	}})
	serve(t, tr, 7, echo)
	want(t, tr, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clstr.test"}, DNSNames: []string{"clstr.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// restricted is a server with a node, and a client that may send requests under its
// name only; both know a password only.
func restricted(t *testing.T) (url string) {
	inbox := []string{"_INBOX.>"}
	return testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		{Username: "admin", Password: "p"},
		{Username: "node", Password: "p", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: append([]string{"clstr.n.*.*", "clstr.who", "clstr.own"}, inbox...)},
			Publish:   &server.SubjectPermission{Allow: append([]string{"clstr.own", "clstr.who"}, inbox...)},
		}},
		{Username: "client", Password: "p", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: inbox},
			Publish:   &server.SubjectPermission{Allow: []string{"clstr.n.*.client", "clstr.who"}},
		}},
		{Username: "deaf", Password: "p", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Deny: []string{">"}},
		}},
	}}).URL()
}

// as connects as a user, on a connection of the transport's own or on one that
// was given: both hear what the server does not permit. The user's name is the caller's.
func as(t *testing.T, given bool, url, user string) *natstransport.Transport {
	t.Helper()
	return named(t, given, url, user, user)
}

// named is as with another name for the caller.
func named(t *testing.T, given bool, url, user, caller string) *natstransport.Transport {
	t.Helper()
	opts := []nats.Option{nats.UserInfo(user, "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
	if given {
		return connect(t, natstransport.Options{Conn: dial(t, url, opts...), Caller: caller})
	}
	return connect(t, natstransport.Options{URL: url, NATSOptions: opts, Caller: caller})
}

func TestNotPermitted(t *testing.T) {
	url := restricted(t)
	for _, given := range []bool{false, true} {
		node, client, admin := as(t, given, url, "node"), as(t, given, url, "client"), as(t, given, url, "admin")
		other := named(t, given, url, "client", "admin") // a name that is not the user's
		allowed := serve(t, node, 1, echo)
		want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
		want(t, admin, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
			refused(t, other, transport.Envelope{Shard: 1, Type: "Echo", Delivery: d}, outcome.ErrNotPermitted, outcome.NotStarted)
		}

		// Several at once: each must hear of its own.
		errs := make(chan error, 8)
		for shard := range cap(errs) {
			go func() {
				_, err := client.SubscribeShard(patient(t), uint32(shard+2), echo)
				errs <- err
			}()
		}
		for range cap(errs) {
			failed(t, receive(t, "SubscribeShard", errs), outcome.ErrNotPermitted, outcome.NotStarted)
		}
		if n := client.Subscriptions(); n != 0 {
			t.Errorf("%d shards are served without permission", n)
		}
		want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
		if err := allowed.Unsubscribe(); err != nil {
			t.Error(err)
		}
		serve(t, node, 1, echo)
		want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
		for _, tr := range []*natstransport.Transport{node, client, admin, other} {
			if err := tr.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A user that may not serve may ask: the one does not end the other.
func TestNotPermittedToServe(t *testing.T) {
	url := restricted(t)
	node, client := as(t, false, url, "node"), as(t, false, url, "client")
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	serve(t, node, 1, func(context.Context, transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-hold
		return []byte("done"), nil
	})
	call := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Hold"})
	receive(t, "the handler", entered)
	_, err := client.SubscribeShard(patient(t), 1, echo)
	failed(t, err, outcome.ErrNotPermitted, outcome.NotStarted)
	close(hold)
	if r := receive(t, "the reply", call); r.err != nil || string(r.data) != "done" {
		t.Errorf("reply %q, %v", r.data, r.err)
	}
}

// Permissions may be taken back while the server is up: a call on its way may
// then be older, and run.
func TestPermissionTakenBack(t *testing.T) {
	url := testkit.StartNATS(t)
	nc := dial(t, url, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	node, client := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{Conn: nc})
	hold, entered := make(chan struct{}), make(chan struct{}, 2)
	t.Cleanup(func() { close(hold) })
	for shard := range uint32(2) {
		serve(t, node, shard, func(_ context.Context, env transport.Envelope) ([]byte, error) {
			if env.Type == "Hold" {
				entered <- struct{}{}
				<-hold
			}
			return env.Data, nil
		})
	}
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	for shard := range 2 {
		var calls []<-chan result
		for range 2 {
			calls = append(calls, start(patient(t), client, transport.Envelope{Shard: shard, Type: "Hold"}))
			receive(t, "the handler", entered)
		}
		nc.ErrorHandler()(nc, nil, fmt.Errorf("%w: Permissions Violation for Publish to %q", nats.ErrPermissionViolation, fmt.Sprintf("clstr.n.%s._", node.Backend().Address())))
		for _, call := range calls {
			failed(t, receive(t, "a call", call).err, outcome.ErrNotPermitted, outcome.MaybeRan)
		}
	}
}

// The permissions that docs/wire-format.md recommends where clients must not read
// each other's replies: they suffice, and they do keep them apart.
func TestInboxesApart(t *testing.T) {
	user := func(name string, publish ...string) *server.User {
		subscribe := []string{"_INBOX." + name + ".>"}
		if name == "n1" {
			subscribe = append(subscribe, "clstr.n.*.*", "clstr.who")
		} else {
			subscribe = append(subscribe, "clstr.own")
		}
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}
	}
	url := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		user("alice", "clstr.n.*.*", "clstr.who"), user("bob", "clstr.n.*.*", "clstr.who"), user("n1", "_INBOX.>", "clstr.own", "clstr.who"),
	}}).URL()
	login := func(name string) []nats.Option {
		return []nats.Option{nats.UserInfo(name, "p"), nats.CustomInboxPrefix("_INBOX." + name)}
	}
	node := connect(t, natstransport.Options{URL: url, NATSOptions: login("n1")})
	serve(t, node, 1, echo)
	for _, name := range []string{"alice", "bob"} {
		client := connect(t, natstransport.Options{URL: url, NATSOptions: login(name)})
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
			if _, err := client.Request(patient(t), transport.Envelope{Shard: 1, Type: "Echo", Delivery: d}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		refused(t, client, transport.Envelope{Shard: 2, Type: "Echo"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	}

	denials := make(chan error, 8)
	bob := dial(t, url, append(login("bob"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denials <- err }))...)
	for _, subject := range []string{"_INBOX.>", "_INBOX.alice.>", "_INBOX.*.*.*", "clstr.n.>", ">"} {
		if _, err := bob.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, "a denial", denials); !containsAny(err.Error(), fmt.Sprintf("Subscription to %q", subject)) {
			t.Errorf("%s: %v", subject, err)
		}
	}
	for _, subject := range []string{"_INBOX.alice.x.1-1", "_INBOX.bob.x.1-1", "_INBOX.n1.x.1-1"} {
		if err := bob.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, "a denial", denials); !containsAny(err.Error(), fmt.Sprintf("Publish to %q", subject)) {
			t.Errorf("%s: %v", subject, err)
		}
	}

	_, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: silent, NATSOptions: []nats.Option{nats.UserInfo("alice", "p")}})
	failed(t, err, outcome.ErrNotPermitted, outcome.NotStarted) // without the prefix
}

// Who may not hear replies is told at once, and not by each request's deadline.
func TestInboxNotPermitted(t *testing.T) {
	_, err := natstransport.Open(t.Context(), natstransport.Options{URL: restricted(t), Log: silent, NATSOptions: []nats.Option{nats.UserInfo("deaf", "p")}})
	failed(t, err, outcome.ErrNotPermitted, outcome.NotStarted)
}
