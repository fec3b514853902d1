package clstr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
)

// TestTakeover: one process is cut off, and the other serves its keys.
func TestTakeover(t *testing.T) {
	c := openCutOff(t, clstr.Host(accounts), 16)
	for i := range 30 {
		deposit(t, c.rest, fmt.Sprint("acc-", i), 1)
	}
	c.wire.Cut()
	for i := range 30 {
		c.deposit(t, accounts, fmt.Sprint("acc-", i))
	}
	if h := c.rest.Health(); h.ShardsOwned != 16 {
		t.Errorf("%d shards", h.ShardsOwned)
	}
	if h := c.lost.Health(); h.Serving {
		t.Errorf("the one that is cut off says %+v", h)
	}
	c.end(t)
}

// TestNoServer: Open ends with its context, as a typed error that names the URL and no
// password.
func TestNoServer(t *testing.T) {
	testkit.CheckLeaks(t)
	dead := startNATS(t)
	dead.Stop()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, url := range []string{strings.Replace(dead.URL(), "nats://", "nats://u:secret@", 1), "nats://u:secret@" + silent.Addr().String()} {
		for _, hosted := range [][]clstr.Entity{clstr.Host(accounts), nil} {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			_, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: clstr.NATS(url), Entities: hosted, Log: quiet})
			cancel()
			_, host, _ := strings.Cut(url, "@")
			if text := fmt.Sprint(err); !errors.Is(err, cluster.ErrDisconnected) || !errors.Is(err, context.DeadlineExceeded) ||
				strings.Count(text, cluster.ErrDisconnected.Error()) != 1 || !strings.Contains(text, host) || !strings.Contains(text, "service bank") || strings.Contains(text, "secret") {
				t.Errorf("%d entities, %s: got %v", len(hosted), host, err)
			}
		}
	}
}

// TestServerComesLater: Open waits for it.
func TestServerComesLater(t *testing.T) {
	testkit.CheckLeaks(t)
	s := startNATS(t)
	url := s.URL()
	s.Stop()
	opened := make(chan *clstr.Service)
	for _, hosted := range [][]clstr.Entity{clstr.Host(accounts), nil} {
		go func() { // ends when the server is there
			svc, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: clstr.NATS(url), Entities: hosted, Log: quiet})
			if err != nil {
				t.Error(err)
			}
			opened <- svc
		}()
	}
	s.Restart()
	services := []*clstr.Service{<-opened, <-opened}
	for _, svc := range services {
		deposit(t, svc, "acc-1", 1)
	}
	for _, svc := range services {
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestBadServers: what waiting does not mend is told at once, without a deadline too.
func TestBadServers(t *testing.T) {
	testkit.CheckLeaks(t)
	locked := testkit.StartNATSServer(t, &server.Options{Username: "u", Password: "secret"}).URL()
	plain := testkit.StartNATS(t)
	for _, c := range []struct {
		on     clstr.Network
		hosted []clstr.Entity
		want   error
	}{
		{clstr.NATS(locked), clstr.Host(accounts), cluster.ErrNotPermitted},
		{clstr.NATS(locked), nil, cluster.ErrNotPermitted},
		{clstr.NATS("nats://u:secret@[::1"), clstr.Host(accounts), cluster.ErrBadOption},
		{clstr.NATS("nats://u:secret@[::1"), nil, cluster.ErrBadOption},
		{clstr.NATS(""), clstr.Host(accounts), cluster.ErrBadOption},
		{clstr.NATS(""), nil, cluster.ErrBadOption},
		{clstr.NATS(plain), clstr.Host(accounts), natsstore.ErrNoJetStream},
	} {
		_, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: c.on, Entities: c.hosted, Log: quiet})
		if !errors.Is(err, c.want) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%d entities: got %v; want %v", len(c.hosted), err, c.want)
		}
	}
}

// TestConnections: a node has two, a client one, and all are named after it.
func TestConnections(t *testing.T) {
	testkit.CheckLeaks(t)
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	on := clstr.NATS(s.ClientURL())
	node := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: 4})
	open(t, clstr.Options{On: on, Node: cluster.NodeOptions{NodeID: "web-1"}})
	all, err := s.Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range all.Conns {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	want := []string{"clstr " + node.Node().ID(), "clstr " + node.Node().ID() + " membership", "clstr web-1"}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("the connections are named %q; want %q", names, want)
	}
}

// TestPermissions: users with the rights that the documents give them are enough, and a
// client needs none to the records.
func TestPermissions(t *testing.T) {
	testkit.CheckLeaks(t)
	user := func(name string, publish, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}
	}
	control := natsstore.ControlPermissions("bank")
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{
		user("control", control.Publish, control.Subscribe),
		user("data", []string{"bank.n.>", "bank.who", "bank.own", "_INBOX.>"}, []string{"bank.n.>", "bank.who", "bank.own", "_INBOX.data.>"}),
		user("alice", []string{"bank.n.>", "bank.who"}, []string{"bank.own", "_INBOX.alice.>"}),
	}}).URL()
	on := clstr.NATS(url)
	on.Transport.NATSOptions = []nats.Option{nats.UserInfo("data", "p"), nats.CustomInboxPrefix("_INBOX.data")}
	on.Store.NATSOptions = []nats.Option{nats.UserInfo("control", "p")}
	open(t, clstr.Options{On: on, Entities: clstr.Host(accounts, orders), Shards: 8})
	open(t, clstr.Options{On: on, Entities: clstr.Host(accounts, orders)})
	client := open(t, clstr.Options{On: clstr.NATS(url, nats.UserInfo("alice", "p"), nats.CustomInboxPrefix("_INBOX.alice"))})
	for i := range 20 {
		if _, err := clstr.Ask[Balance](t.Context(), client.Key(orders, fmt.Sprint(i)), Transfer{fmt.Sprint("acc-", i), 1}); err != nil {
			t.Error(err)
		}
	}
}

// TestManyOpens: services begin and end beside each other, and leave nothing.
func TestManyOpens(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for range 2 {
					var hosted []clstr.Entity
					if i%2 == 0 {
						hosted = clstr.Host(accounts)
					}
					svc, err := clstr.Open(t.Context(), clstr.Options{
						Name: fmt.Sprint("s-", i/4), On: on, Entities: hosted, Shards: 8, Log: quiet, Node: cluster.NodeOptions{Timing: testkit.LiveTiming},
					})
					if err != nil {
						t.Error(err)
						return
					}
					if hosted != nil {
						deposit(t, svc, "acc-1", 1)
					}
					if err := svc.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
}

// TestClientsConnectionEnds: Run of a client ends when its connection has for good.
func TestClientsConnectionEnds(t *testing.T) {
	testkit.CheckLeaks(t)
	wire := &cutter{}
	client, err := clstr.Open(t.Context(), clstr.Options{
		Name: "bank", On: clstr.NATS(startNATS(t).URL(), nats.SetCustomDialer(wire), nats.NoReconnect()), Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error)
	go func() { ran <- client.Run(context.Background()) }() // ends with the connection
	wire.Cut()
	if err := <-ran; !errors.Is(err, cluster.ErrTransportClosed) || !strings.Contains(fmt.Sprint(err), "service bank") {
		t.Errorf("got %v", err)
	}
}

// slow is a network on which nobody joins.
type slow struct{}

func (slow) Join(ctx context.Context, _ clstr.Member) (clstr.Link, error) {
	<-ctx.Done()
	return clstr.Link{}, context.Cause(ctx)
}

// TestConnectingIsBounded: also where Open's context is not.
func TestConnectingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := clstr.Open(context.Background(), clstr.Options{Name: "bank", On: slow{}, Log: quiet})
		if waited := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || waited != 30*time.Second {
			t.Errorf("%v after %v", err, waited)
		}
	})
}

// TestOpenIsGivenUp while the node joins: Open ends with its context, and leaves nothing.
func TestOpenIsGivenUp(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		first := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: 16})
		ctx, cancel := context.WithCancel(t.Context())
		given := cancelling{on, cancel}
		if _, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: given, Entities: clstr.Host(accounts), Log: quiet}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		for i := range 20 {
			deposit(t, first, fmt.Sprint("acc-", i), 1)
		}
		for giveUp := time.Now().Add(time.Minute); first.Health().ShardsOwned != 16; <-time.After(time.Millisecond) { // some may be on their way back
			if time.Now().After(giveUp) {
				t.Fatalf("%+v", first.Health())
			}
		}
	})
}

// cancelling is a network that gives its caller's context up when it has joined.
type cancelling struct {
	clstr.Network
	cancel context.CancelFunc
}

func (n cancelling) Join(ctx context.Context, m clstr.Member) (clstr.Link, error) {
	defer n.cancel()
	return n.Network.Join(ctx, m)
}

// TestGivenConnection: calls may go over a connection of the program's own, which stays.
func TestGivenConnection(t *testing.T) {
	testkit.CheckLeaks(t)
	url := startNATS(t).URL()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	on := clstr.NATS(url)
	on.Transport.URL, on.Transport.Conn = "", nc
	svc, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: on, Entities: clstr.Host(accounts), Shards: 4, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	deposit(t, svc, "acc-1", 1)
	if err := svc.Close(t.Context()); err != nil || !nc.IsConnected() {
		t.Errorf("%v, %v", err, nc.Status())
	}
	on.Store.Name = "mine"
	if _, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: on, Log: quiet}); !errors.Is(err, cluster.ErrBadOption) || !strings.Contains(fmt.Sprint(err), "NodeID") {
		t.Errorf("a name of one's own: %v", err)
	}
}
