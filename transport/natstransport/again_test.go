package natstransport_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// rights is a server that gives rights to subscribe, and takes them away.
type rights struct {
	t testing.TB
	s *server.Server
}

// allRights is what a user needs to subscribe to as a node and as a client.
var allRights = []string{"clstr.n.*.*", "clstr.who", "clstr.own", "_INBOX.>"}

func startRights(t testing.TB) *rights {
	t.Helper()
	s, err := server.NewServer(rightsOf(-1, allRights))
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return &rights{t, s}
}

// rightsOf gives the user changing the rights, and the user steady all.
func rightsOf(port int, subscribe []string) *server.Options {
	user := func(name string, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{">"}},
			Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}
	}
	return &server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true, Users: []*server.User{
		user("changing", subscribe), user("steady", allRights),
	}}
}

// take leaves the user all rights but one.
func (r *rights) take(right string) {
	r.t.Helper()
	r.give(slices.DeleteFunc(slices.Clone(allRights), func(s string) bool { return s == right })...)
}

func (r *rights) give(subscribe ...string) {
	r.t.Helper()
	if err := r.s.ReloadOptions(rightsOf(r.s.Addr().(*net.TCPAddr).Port, subscribe)); err != nil {
		r.t.Fatal(err)
	}
}

// answers reports whether a shard answers soon.
func answers(tr *natstransport.Transport, shard int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	got, err := tr.Request(ctx, transport.Envelope{Shard: shard, Type: "Echo", Data: []byte("x")})
	return err == nil && string(got) == "x"
}

// TestRightIsGivenBack: what the server has refused for a while works again, with the transport that was there.
func TestRightIsGivenBack(t *testing.T) {
	for _, given := range []bool{false, true} {
		r := startRights(t)
		node, log := login(t, given, r.s.ClientURL(), "changing")
		node.SetAgain(20 * time.Millisecond)
		serve(t, node, 1, echo)
		dir := &records{epochs: make([]uint64, 4)}
		if _, err := node.Backend().ServeOwners(patient(t), dir); err != nil {
			t.Fatal(err)
		}
		own(t, node, dir, 2, 3, echo)
		fresh := func() *natstransport.Transport { // knows nothing, so it asks
			c, _ := login(t, given, r.s.ClientURL(), "steady")
			return c
		}
		steady := fresh()
		eventually(t, "answers before", func() bool { return answers(steady, 1) && answers(steady, 2) })
		h := hearer(t, node)

		r.take("clstr.n.*.*")
		eventually(t, "the refusal", func() bool { return errors.Is(h.Refused(), outcome.ErrNotPermitted) })
		tries := strings.Count(log.String(), `Subscription to \"clstr.n.`)
		eventually(t, "further tries", func() bool { return strings.Count(log.String(), `Subscription to \"clstr.n.`) > tries+2 })
		if h.Refused() == nil {
			t.Error("it counts as permitted while it is tried")
		}
		if _, err := node.SubscribeShard(patient(t), 3, echo); !errors.Is(err, outcome.ErrNotPermitted) {
			t.Errorf("a further shard is subscribed meanwhile: %v", err)
		}
		if answers(steady, 1) {
			t.Error("requests arrive without the right")
		}
		r.give(allRights...)
		eventually(t, "the right", func() bool { return h.Refused() == nil })
		eventually(t, "answers", func() bool { return answers(steady, 1) && answers(steady, 2) })

		r.take("clstr.who")
		lost := fresh()
		eventually(t, "that no owner is found", func() bool { return !answers(fresh(), 1) })
		r.give(allRights...)
		eventually(t, "owners", func() bool { return answers(lost, 1) && answers(lost, 2) })

		client, log := login(t, given, r.s.ClientURL(), "changing")
		client.SetAgain(20 * time.Millisecond)
		r.take("_INBOX.>")
		eventually(t, "the refusal", func() bool { return strings.Contains(log.String(), `Subscription to \"_INBOX.`) })
		if answers(client, 1) {
			t.Error("replies arrive without the right")
		}
		r.give(allRights...)
		eventually(t, "replies", func() bool { return answers(client, 1) && answers(client, 2) })
		eventually(t, "a line of the log", func() bool { return strings.Contains(log.String(), "the server permits the subscription again") })
	}
}

// rightProvocations are among those of TestNoPayloadInNATSLogsAndErrors.
var rightProvocations = []provocation{
	{"a right that is given back", []string{"the server permits the subscription again"}, func(t *testing.T, w *secretWatch) {
		r := startRights(t)
		tr := w.connect(natstransport.Options{URL: r.s.ClientURL(), NATSOptions: []nats.Option{nats.UserInfo("changing", "p")}})
		tr.SetAgain(20 * time.Millisecond)
		serve(t, tr, 1, echo)
		h := hearer(t, tr)
		r.take("clstr.n.*.*")
		eventually(t, "the refusal", func() bool { return h.Refused() != nil })
		r.give(allRights...)
		eventually(t, "the right", func() bool { return h.Refused() == nil })
	}},
}

// TestRightIsBackWithANewConnection: nats.go subscribes again there, and so does the transport. No message comes twice.
func TestRightIsBackWithANewConnection(t *testing.T) {
	r := startRights(t)
	nc := dial(t, r.s.ClientURL(), nats.UserInfo("changing", "p"), nats.ReconnectWait(time.Millisecond))
	node := connect(t, natstransport.Options{Conn: nc})
	node.SetAgain(time.Hour)
	var ran atomic.Int32
	serve(t, node, 1, func(context.Context, transport.Envelope) ([]byte, error) {
		ran.Add(1)
		return []byte("x"), nil
	})
	steady, _ := login(t, false, r.s.ClientURL(), "steady")
	h := hearer(t, node)
	r.take("clstr.n.*.*")
	eventually(t, "the refusal", func() bool { return h.Refused() != nil })
	r.give(allRights...)
	if h.Refused() == nil {
		t.Fatal("it was tried too early")
	}
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the right", func() bool { return h.Refused() == nil })
	before := ran.Load()
	eventually(t, "answers", func() bool { return answers(steady, 1) })
	for range 20 {
		want(t, steady, transport.Envelope{Shard: 1, Type: "Echo"}, "x")
	}
	if n := ran.Load() - before; n != 21 {
		t.Errorf("21 requests ran %d times", n)
	}
}

// TestRightIsTriedDuringAMove: a try that begins just before a move must not leave the end with the connection that goes.
func TestRightIsTriedDuringAMove(t *testing.T) {
	r := startRights(t)
	node, _ := login(t, false, r.s.ClientURL(), "changing")
	node.SetAgain(time.Hour)
	node.MoveFor(patience, time.Millisecond)
	var ran atomic.Int32
	serve(t, node, 1, func(context.Context, transport.Envelope) ([]byte, error) {
		ran.Add(1)
		return []byte("x"), nil
	})
	steady, _ := login(t, false, r.s.ClientURL(), "steady")
	h, before := hearer(t, node), node.ClientID()
	r.take("clstr.n.*.*")
	eventually(t, "the refusal", func() bool { return h.Refused() != nil })
	r.give(allRights...)
	release := node.HoldFlusher()
	asked(t, r.s, node)
	eventually(t, "the move", node.Settles)
	node.TryAgain()
	release()
	eventually(t, "the end of the move", func() bool { return node.ClientID() != before && r.s.NumClients() == 2 })
	eventually(t, "answers", func() bool { return answers(steady, 1) })
	first := ran.Load()
	for range 20 {
		want(t, steady, transport.Envelope{Shard: 1, Type: "Echo"}, "x")
	}
	if n := ran.Load() - first; n != 20 {
		t.Errorf("20 requests ran %d times", n)
	}
}
