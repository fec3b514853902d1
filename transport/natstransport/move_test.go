package natstransport_test

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestServersAreReplaced: three servers are replaced one by one, each after its announcement, under load.
// No call fails, none runs twice, and the notifications of one sender arrive once and in order.
func TestServersAreReplaced(t *testing.T) {
	testkit.CheckLeaks(t)
	servers := natstest.StartServers(t, false)
	var ends []*natstransport.Transport // on each server a node and a client
	for i := range 3 {
		for range 2 {
			ends = append(ends, connect(t, natstransport.Options{URL: servers.URLs(i)}))
		}
	}
	nodes, clients := []*natstransport.Transport{ends[0], ends[2], ends[4]}, []*natstransport.Transport{ends[1], ends[3], ends[5]}
	const lanes = 9
	var diaries [lanes]diary // of notifications; their shards are behind those of requests
	var ran [lanes]atomic.Uint32
	hold := make(chan struct{})
	for i, node := range nodes {
		for _, shard := range []int{i, i + 3, i + 6} {
			serve(t, node, uint32(shard), func(_ context.Context, env transport.Envelope) ([]byte, error) {
				if env.Type == "Hold" {
					<-hold
					return env.Data, nil
				}
				ran[shard].Add(1)
				return env.Data, nil
			})
			if _, err := node.Backend().Subscribe(patient(t), uint32(lanes+shard), dispatch.Subscriber{Receiver: &diaries[shard]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	servers.Subjects = []string{"clstr.who"}
	for _, end := range ends {
		servers.Subjects = append(servers.Subjects, end.Subjects()...)
	}
	servers.Ready(patient(t))
	ctx, stop := context.WithCancel(context.Background())
	all, end := context.WithTimeout(context.Background(), 5*patience) // of the calls that last
	defer end()
	var long []<-chan result
	var calls, notes [lanes]uint32
	done := make(chan struct{}, 2*lanes)
	for lane := range lanes {
		client := clients[lane/3]
		long = append(long, start(all, client, transport.Envelope{Shard: lane, Type: "Hold", Data: []byte("held")}))
		go func() { // ends with ctx
			defer func() { done <- struct{}{} }()
			for ; ctx.Err() == nil; calls[lane]++ {
				if _, err := client.Request(patient(t), transport.Envelope{Shard: lane, Type: "Call"}); err != nil {
					t.Errorf("call %d of lane %d: %v", calls[lane], lane, err)
				}
			}
		}()
		go func() { // ends with ctx
			defer func() { done <- struct{}{} }()
			for ; ctx.Err() == nil || notes[lane]%50 != 0; notes[lane]++ {
				env := transport.Envelope{Shard: lanes + lane, Type: "Next", Data: binary.BigEndian.AppendUint32(nil, notes[lane])}
				if env.Delivery = transport.AwaitNothing; notes[lane]%50 == 49 {
					env.Delivery = transport.AwaitReply
				}
				if _, err := client.Request(patient(t), env); err != nil {
					t.Errorf("notification %d of lane %d: %v", notes[lane], lane, err)
				}
			}
		}()
	}
	for i := range 3 {
		servers.Replace(patient(t), i)
	}
	stop()
	for range 2 * lanes {
		receive(t, "the end of the load", done)
	}
	close(hold)
	for lane := range lanes {
		if r := receive(t, "a call that has lasted", long[lane]); r.err != nil || string(r.data) != "held" {
			t.Errorf("the long call of lane %d: %q, %v", lane, r.data, r.err)
		}
		if n := ran[lane].Load(); n != calls[lane] {
			t.Errorf("%d calls of lane %d have run %d times", calls[lane], lane, n)
		}
		for i, n := range diaries[lane].read() {
			if uint32(i) != n {
				t.Fatalf("notification %d of lane %d came as the %dth", n, lane, i)
			}
		}
		if n := len(diaries[lane].read()); n != int(notes[lane]) {
			t.Errorf("%d of %d notifications of lane %d have come", n, notes[lane], lane)
		}
	}
	t.Logf("calls %d, notifications %d", calls, notes)
}

// asked has the server ask one connection to go, as an operator may.
func asked(t testing.TB, srv *server.Server, tr *natstransport.Transport) {
	t.Helper()
	if err := srv.LDMClientByID(tr.ClientID()); err != nil {
		t.Fatal(err)
	}
}

// moving is a client whose connection takes nothing any more, and which waits for that before it goes
// over another one.
func moving(t *testing.T) (client *natstransport.Transport, d *diary, note func(uint32, transport.Delivery), thaw func()) {
	srv := natstest.Alone(t, server.Options{})
	node, p := connect(t, natstransport.Options{URL: srv.ClientURL()}), startProxy(t, srv.ClientURL())
	client, d = connect(t, natstransport.Options{URL: p.url()}), new(diary)
	client.MoveFor(patience, 2*time.Second)
	if _, err := node.Backend().Subscribe(patient(t), 1, dispatch.Subscriber{Receiver: d}); err != nil {
		t.Fatal(err)
	}
	note = func(n uint32, d transport.Delivery) {
		t.Helper()
		if _, err := client.Request(patient(t), transport.Envelope{Shard: 1, Type: "Next", Delivery: d, Data: binary.BigEndian.AppendUint32(nil, n)}); err != nil {
			t.Fatal(err)
		}
	}
	note(0, transport.AwaitReply)
	p.freeze()
	for n := range uint32(5) {
		note(n+1, transport.AwaitNothing)
	}
	asked(t, srv, client)
	eventually(t, "the client waits for what it has sent", client.Settles)
	return client, d, note, p.thaw
}

// TestMoveKeepsOrder: what goes over the new connection does not overtake what has gone over
// the old one.
func TestMoveKeepsOrder(t *testing.T) {
	client, d, note, thaw := moving(t)
	before := client.ClientID()
	for n := range uint32(5) {
		note(n+6, transport.AwaitNothing)
	}
	thaw()
	note(11, transport.AwaitReply)
	if client.ClientID() == before {
		t.Error("the client has not moved")
	}
	for i, n := range d.read() {
		if uint32(i) != n {
			t.Fatalf("%d came as the %dth: %d", n, i, d.read())
		}
	}
	if n := len(d.read()); n != 12 {
		t.Errorf("%d have come", n)
	}
}

// TestCloseWhileItMoves: Close ends a move.
func TestCloseWhileItMoves(t *testing.T) {
	testkit.CheckLeaks(t)
	client, _, _, thaw := moving(t)
	done := make(chan error, 1)
	go func() { done <- client.Close() }() // ends at once
	if err := receive(t, "Close", done); err != nil {
		t.Error(err)
	}
	thaw()
}

// TestMoveIsTriedAgain: a server that takes no connection more is asked again.
func TestMoveIsTriedAgain(t *testing.T) {
	srv := natstest.Alone(t, server.Options{MaxConn: 2})
	tr, other := connect(t, natstransport.Options{URL: srv.ClientURL(), AlwaysOverNATS: true}), dial(t, srv.ClientURL())
	serve(t, tr, 7, echo)
	before := tr.ClientID()
	asked(t, srv, tr)
	want(t, tr, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
	other.Close()
	eventually(t, "it has moved", func() bool { return tr.ClientID() != before })
	want(t, tr, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, "x")
}

// TestProgramIsNotToldOfMoves: of a connection that was left, the program's handlers hear nothing. The
// handler of the announcement is called.
func TestProgramIsNotToldOfMoves(t *testing.T) {
	srv := natstest.Alone(t, server.Options{})
	told := make(chan string, 9)
	tr := connect(t, natstransport.Options{URL: srv.ClientURL(), NATSOptions: []nats.Option{
		nats.LameDuckModeHandler(func(*nats.Conn) { told <- "announced" }),
		nats.ClosedHandler(func(*nats.Conn) { told <- "closed" }),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { told <- "disconnected" }),
	}})
	before := tr.ClientID()
	asked(t, srv, tr)
	if s := receive(t, "the announcement", told); s != "announced" {
		t.Error(s)
	}
	eventually(t, "the old connection has gone", func() bool { return srv.NumClients() == 1 && tr.ClientID() != before })
	if len(told) > 0 {
		t.Errorf("the program was told: %s", <-told)
	}
}

var moveProvocations = []provocation{
	{"a server that asks a connection to go", []string{"the NATS server announces its end: moving to another", "moved to another NATS server"},
		func(t *testing.T, w *secretWatch) {
			srv := natstest.Alone(t, server.Options{})
			tr := w.connect(natstransport.Options{URL: srv.ClientURL()})
			asked(t, srv, tr)
		}},
	{"a server that is the last", []string{"cannot move to another NATS server yet: calls on their way may be lost when this one ends"},
		func(t *testing.T, w *secretWatch) {
			srv := natstest.Alone(t, server.Options{LameDuckGracePeriod: -2 * patience})
			w.connect(natstransport.Options{URL: srv.ClientURL()})
			go srv.LameDuckShutdown() // ends with Shutdown
		}},
}
