package natstransport_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// diary is a receiver that notes the numbers of what it runs.
type diary struct {
	mu  sync.Mutex
	ran []uint32
}

// Accept implements dispatch.Receiver.
func (d *diary) Accept(c *dispatch.Call) {
	d.mu.Lock()
	started := c.Start(nil)
	if started {
		d.ran = append(d.ran, binary.BigEndian.Uint32(c.Envelope().Data))
	}
	d.mu.Unlock()
	if started {
		c.Reply(nil, nil)
		c.End()
	}
}

// ends takes a lease away. Then nothing that started under the lease runs any more.
func (d *diary) ends(lease *standing.Lease) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lease.End()
	lease.Lapse()
}

func (d *diary) read() []uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]uint32(nil), d.ran...)
}

// own makes the diary's node the owner of a shard.
func (d *diary) own(t *testing.T, node *natstransport.Transport, r *records, shard uint32, epoch uint64) *standing.Lease {
	t.Helper()
	lease := standing.NewLease()
	lease.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	if _, err := node.Backend().Subscribe(patient(t), shard, dispatch.Subscriber{Receiver: d, Standing: standing.New("it", shard, epoch, lease)}); err != nil {
		t.Fatal(err)
	}
	r.say(shard, epoch, node.Backend().Address())
	return lease
}

// window sends notifications and requests with rising numbers, and does something in its middle, again
// and again. A request that was refused is sent again before anything else.
func window(t *testing.T, client *natstransport.Transport, shard, messages int, middle func(i int)) {
	t.Helper()
	for i := range messages {
		env := transport.Envelope{Shard: shard, Type: "Next", Data: binary.BigEndian.AppendUint32(nil, uint32(i))}
		if env.Delivery = transport.AwaitNothing; i%50 == 49 {
			env.Delivery = transport.Delivery(i / 50 % 2)
		}
		if i%7 == 3 {
			middle(i)
		}
		for {
			_, err := client.Request(patient(t), env)
			if err == nil || env.Delivery == transport.AwaitNothing {
				break
			}
			if !outcome.Of(err).NeverRan() {
				t.Fatal(err)
			}
			middle(i)
		}
	}
}

func rising(t *testing.T, ran []uint32, least int) {
	t.Helper()
	for i := range ran[:max(0, len(ran)-1)] {
		if ran[i] >= ran[i+1] {
			t.Fatalf("%d has run before %d", ran[i], ran[i+1])
		}
	}
	if len(ran) < least {
		t.Errorf("only %d have run", len(ran))
	}
}

// TestGateInMidWindow: a node refuses for a moment what one sender sends to one shard. What it
// refuses does not come later.
func TestGateInMidWindow(t *testing.T) {
	for _, at := range []string{"another connection", "the node's own"} {
		t.Run(at, func(t *testing.T) {
			_, node, client, r := realm(t, 2)
			if at == "the node's own" {
				client = node
			}
			var d diary
			lease := d.own(t, node, r, 1, 1)
			open := true
			window(t, client, 1, 5000, func(int) {
				if open = !open; open {
					lease.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour))
				} else {
					d.ends(lease)
				}
			})
			rising(t, d.read(), 100)
		})
	}
}

// TestOwnersInMidWindow: what the client knows of the owner changes while one sender sends to one
// shard: the shard moves to and fro between two nodes, and false owners are announced.
func TestOwnersInMidWindow(t *testing.T) {
	for _, at := range []string{"another connection", "a node's own", "a node's own, always over NATS"} {
		t.Run(at, func(t *testing.T) {
			url, a, client, r := realm(t, 2)
			if at != "another connection" {
				a = connect(t, natstransport.Options{URL: url, AlwaysOverNATS: at != "a node's own"})
				client = a
			}
			ownersInMidWindow(t, url, a, client, r)
		})
	}
}

func ownersInMidWindow(t *testing.T, url string, a, client *natstransport.Transport, r *records) {
	b, evil := connect(t, natstransport.Options{URL: url}), dial(t, url)
	var d diary // of both
	nodes, epoch := [2]*natstransport.Transport{a, b}, uint64(1)
	lease := d.own(t, a, r, 1, 1)
	window(t, client, 1, 5000, func(i int) {
		if i%2 == 0 {
			told := wire.Owners{First: 1, Owners: []wire.Owner{{Epoch: epoch + 1<<40, Node: nodes[(epoch+1)%2].Backend().Address()}}}
			if err := evil.Publish("clstr.own", wire.AppendOwners(nil, &told)); err != nil {
				t.Fatal(err)
			}
			return
		}
		d.ends(lease)
		epoch++
		lease = d.own(t, nodes[(epoch-1)%2], r, 1, epoch)
	})
	rising(t, d.read(), 100)
}

// TestShardsOfOneMessage: each envelope of a message is answered for itself: shards that the
// node has handed over name their owner, and the others run in order.
func TestShardsOfOneMessage(t *testing.T) {
	url, node, _, r := realm(t, 4)
	var d diary
	d.own(t, node, r, 1, 3)
	d.own(t, node, r, 3, 1)
	r.say(2, 5, "another")
	nc := dial(t, url)
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox + ".*")
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	put := func(n uint32, shard int, epoch uint64, delivery transport.Delivery) {
		b = wire.AppendEnvelope(b, &transport.Envelope{Shard: shard, Type: "T", Data: binary.BigEndian.AppendUint32(nil, n), Delivery: delivery}, 0, nil, epoch)
	}
	put(0, 1, 3, transport.AwaitReply)
	put(1, 2, 4, transport.AwaitReply)   // it has moved
	put(2, 1, 2, transport.AwaitAccept)  // of an epoch before
	put(3, 2, 4, transport.AwaitNothing) // it has moved
	put(4, 3, 1, transport.AwaitNothing)
	put(5, 0, 0, transport.AwaitReply) // no node has owned it
	put(6, 1, 3, transport.AwaitAccept)
	if err := nc.PublishRequest(at(t, nc, 1), inbox+".1-7", wire.AppendEnd(b, 1)); err != nil {
		t.Fatal(err)
	}
	replies := map[uint64]wire.Reply{}
	var dec wire.Decoder
	for len(replies) < 6 {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatalf("after %d replies: %v", len(replies), err)
		}
		var p wire.Packet
		if err := dec.Decode(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Replies {
			replies[r.ID-1] = r
		}
	}
	self := node.Backend().Address()
	for n, owner := range map[uint64]wire.Owner{1: {Epoch: 5, Node: "another"}, 2: {Epoch: 3, Node: self}, 3: {Epoch: 5, Node: "another"}, 5: {}} {
		got := replies[n]
		if got.Err == nil || got.Err.Code != "not_owner" || got.Err.Outcome != outcome.NotStarted || got.Owner != owner || got.Unawaited != (n == 3) {
			t.Errorf("envelope %d: %+v, want the owner %+v", n, got, owner)
		}
	}
	if got := replies[3]; got.Shard != 2 {
		t.Errorf("the notification is refused for shard %d", got.Shard)
	}
	for _, n := range []uint64{0, 6} {
		if got := replies[n]; got.Err != nil {
			t.Errorf("envelope %d: %v", n, got.Err)
		}
	}
	if got := d.read(); len(got) != 3 || got[0] != 0 || got[1] != 4 || got[2] != 6 {
		t.Errorf("%d have run", got)
	}
}

// TestRefusalNamesTheOwner: a client that hears no announcement follows a shard by what
// the owner of before says: it asks no node. So does one whose senders wait for nothing.
func TestRefusalNamesTheOwner(t *testing.T) {
	url, a, client, r := realm(t, 2)
	b, nc := connect(t, natstransport.Options{URL: url}), dial(t, url)
	own(t, a, r, 1, 1, says("a"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "a")
	var asked atomic.Int32
	if _, err := nc.Subscribe("clstr.who", func(*nats.Msg) { asked.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client listens", client.Hears)
	client.Deafen()
	own(t, b, r, 1, 2, says("b"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "a") // it has two owners: each serves in its epoch
	moved := own(t, a, r, 1, 3, says("a again"))
	if err := moved.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	own(t, b, r, 1, 4, says("b again"))
	client.Learn(1, 3, a.Backend().Address())
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "b again")
	got := make(chan struct{}, 1000)
	own(t, a, r, 1, 5, func(context.Context, transport.Envelope) ([]byte, error) { got <- struct{}{}; return nil, nil })
	client.Learn(1, 6, a.Backend().Address()) // false
	eventually(t, "notifications find the owner", func() bool {
		if _, err := client.Request(patient(t), transport.Envelope{Shard: 1, Type: "Note", Delivery: transport.AwaitNothing}); err != nil {
			t.Fatal(err)
		}
		return client.Epoch(1) == 5
	})
	want(t, client, transport.Envelope{Shard: 1, Type: "Last"}, "")
	if client.MissedNotifications() == 0 {
		t.Error("what was refused was not counted")
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the nodes were asked %d times", n)
	}
}

// TestManyShardsOneSubscription: a node subscribes as often for 65,536 shards as for one.
func TestManyShardsOneSubscription(t *testing.T) {
	const shards = 64 << 10
	nc := dial(t, testkit.StartNATS(t))
	node := connect(t, natstransport.Options{Conn: nc})
	serve(t, node, 0, echo)
	before := nc.Stats().OutMsgs
	for shard := range uint32(shards - 1) {
		serve(t, node, shard+1, echo)
	}
	serve(t, node, math.MaxUint32, echo)
	client := connect(t, natstransport.Options{Conn: dial(t, node.URL())})
	eventually(t, "the node tells what it serves", func() bool { // a busy machine needs longer than a question has
		_, err := client.Request(patient(t), transport.Envelope{Type: "Echo"})
		if err != nil && !errors.Is(err, outcome.ErrNotOwner) {
			t.Fatal(err)
		}
		return err == nil
	})
	for _, shard := range []int{0, 1, shards - 1, math.MaxUint32} {
		want(t, client, transport.Envelope{Shard: shard, Type: "Echo", Data: []byte("x")}, "x")
	}
	if n := nc.NumSubscriptions(); n > 5 { // replies, requests, questions for owners and turns, announcements
		t.Errorf("%d subscriptions", n)
	}
	if sent := nc.Stats().OutMsgs - before; sent > 100 {
		t.Errorf("%d messages were sent", sent)
	}
	if n := client.KnownShards(); n != shards+1 {
		t.Errorf("the client knows the owners of %d shards", n)
	}
}

// TestNodeIsReplaced: a node with a fixed list ends, and another comes in its place. Each call
// finds one of them or none, and none waits.
func TestNodeIsReplaced(t *testing.T) {
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url})
	other := connect(t, natstransport.Options{URL: url})
	serve(t, other, 9, echo)
	for i := range 5 {
		node := connect(t, natstransport.Options{URL: url})
		for shard := range uint32(8) {
			serve(t, node, shard, echo)
		}
		for shard := range 10 {
			if shard == 8 {
				refused(t, client, transport.Envelope{Shard: 8, Type: "Echo"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
				continue
			}
			want(t, client, transport.Envelope{Shard: shard, Type: "Echo", Data: []byte("x")}, "x")
		}
		if i == 2 { // its shards go to others
			for shard := range uint32(4) {
				serve(t, other, shard, echo)
			}
		}
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			want(t, client, transport.Envelope{Shard: 3, Type: "Echo", Data: []byte("x")}, "x")
			refused(t, client, transport.Envelope{Shard: 5, Type: "Echo"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
		}
	}
}
