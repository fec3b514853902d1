package testkit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
)

func TestStartNATSGivesSeparateServers(t *testing.T) {
	testkit.CheckLeaks(t)
	if one, two := testkit.StartNATS(t), testkit.StartNATS(t); one == two {
		t.Fatalf("both have the URL %s", one)
	}
}

func TestNATSRestartsOnTheSamePort(t *testing.T) {
	testkit.CheckLeaks(t)
	s := testkit.StartNATSServer(t, nil)
	url := s.URL()
	lost, back := make(chan struct{}, 8), make(chan struct{}, 8)
	nc, err := nats.Connect(url, nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { lost <- struct{}{} }),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	s.Stop()
	s.Stop() // does nothing
	<-lost
	if other, err := nats.Connect(url); err == nil {
		other.Close()
		t.Fatal("a stopped server takes connections")
	}
	s.Restart()
	<-back
	if s.URL() != url {
		t.Fatalf("the URL was %s and is %s", url, s.URL())
	}
}

func TestNATSTakesServerOptions(t *testing.T) {
	opts := &server.Options{MaxPayload: 1024, Username: "u", Password: "p"}
	s := testkit.StartNATSServer(t, opts)
	if opts.Port != 0 || opts.Host != "" {
		t.Fatalf("the caller's options were changed: %s:%d", opts.Host, opts.Port)
	}
	if _, err := nats.Connect(s.URL()); !errors.Is(err, nats.ErrAuthorization) {
		t.Fatalf("without a password: %v", err)
	}
	nc, err := nats.Connect(s.URL(), nats.UserInfo("u", "p"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if nc.MaxPayload() != 1024 {
		t.Fatalf("MaxPayload is %d", nc.MaxPayload())
	}
}

func TestNATSReportsOptionsThatCannotWork(t *testing.T) {
	fake := &fakeTB{}
	testkit.StartNATSServer(fake, &server.Options{Cluster: server.ClusterOpts{Name: "a b"}})
	wantFailure(t, fake.end(), "NATS server")
}
