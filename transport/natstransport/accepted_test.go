package natstransport_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestAcceptedTogether: one reply answers the notifications of a message that were accepted one behind the other.
// What was refused or asks for a reply is answered for itself.
func TestAcceptedTogether(t *testing.T) {
	const items = 2000
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	ran := make(chan string, items)
	if _, err := node.Backend().Subscribe(patient(t), 7, dispatch.Subscriber{Receiver: names(ran)}); err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, url)
	var b []byte
	want := map[uint64]bool{} // by id: whether it is refused
	for i := range uint64(items) {
		env := transport.Envelope{Shard: 7, Type: "Note", Delivery: transport.AwaitAccept}
		switch i {
		case 500:
			env.Delivery = transport.AwaitReply
		case 1000:
			env.Delivery = transport.AwaitNothing
		case 1500:
			env.Shard = 8 // which the node does not serve
		}
		b = wire.AppendEnvelope(b, &env, 0, nil, 0)
		if i != 1000 {
			want[i+1] = i == 1500
		}
	}
	if err := a.nc.PublishRequest(a.to, a.inbox+".1-2000-1", wire.AppendEnd(b, 1)); err != nil {
		t.Fatal(err)
	}
	replies := 0
	for len(want) > 0 {
		m, err := a.sub.NextMsg(patience)
		if err != nil {
			t.Fatalf("%d are not answered: %v", len(want), err)
		}
		var d wire.Decoder
		var p wire.Packet
		if err := d.Decode(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		replies += len(p.Replies)
		for _, r := range p.Replies {
			for id := r.ID; id <= r.ID+r.Further; id++ {
				refused, open := want[id]
				if !open || refused != (r.Err != nil) {
					t.Errorf("%d is answered with %v; open %t", id, r.Err, open)
				}
				delete(want, id)
			}
		}
	}
	if replies != 6 { // four runs, the request and the refusal
		t.Errorf("%d replies", replies)
	}
	if len(ran) != items-1 {
		t.Errorf("%d have run", len(ran))
	}
}

// told counts how often a notification is told.
type told struct{ accepted, failed atomic.Int32 }

// Told implements [dispatch.Told].
func (n *told) Told(err error) {
	if err == nil {
		n.accepted.Add(1)
	} else {
		n.failed.Add(1)
	}
}

// TestPostIsToldOnce: a notification whose time ends while it waits for room is told that by the clock. Post does
// not return an error as well when it gives up.
func TestPostIsToldOnce(t *testing.T) {
	url := testkit.StartNATS(t)
	client, nc := connect(t, natstransport.Options{URL: url}), dial(t, url)
	pretend(t, nc, 7, 1, nil)
	defer client.HoldShard(7)()
	large := transport.Envelope{Shard: 7, Type: "Note", Data: make([]byte, natstransport.MaxBatch), Delivery: transport.AwaitNothing}
	for range natstransport.MaxWaiting + 1 {
		if _, err := client.Request(patient(t), large); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	var n told
	returned := make(chan bool, 1)
	go func() {
		env := transport.Envelope{Shard: 7, Type: "Note", Delivery: transport.AwaitAccept}
		open, _ := client.Backend().(dispatch.Poster).Post(ctx, &env, dispatch.Order{}, time.Now().Add(time.Millisecond), &n)
		returned <- open
	}()
	eventually(t, "its time ends", func() bool { return n.failed.Load() > 0 })
	cancel()
	if !receive(t, "Post", returned) || n.failed.Load() != 1 || n.accepted.Load() != 0 {
		t.Errorf("told %d times, and once more by Post", n.failed.Load())
	}
}

// TestForgedAcceptances: replies about ids that were never sent, twice about one, or about too many, end no call
// twice, and none that they do not name.
func TestForgedAcceptances(t *testing.T) {
	const notes = 100
	url := testkit.StartNATS(t)
	client, nc := connect(t, natstransport.Options{URL: url}), dial(t, url)
	came := make(chan *nats.Msg, notes)
	pretend(t, nc, 7, 1, func(m *nats.Msg) { came <- m })
	release := client.HoldShard(7)
	var all [notes]told
	for i := range all {
		env := transport.Envelope{Shard: 7, Type: "Note", Delivery: transport.AwaitAccept}
		open, err := client.Backend().(dispatch.Poster).Post(patient(t), &env, dispatch.Order{}, time.Now().Add(time.Hour), &all[i])
		if !open || err != nil {
			t.Fatal(err)
		}
	}
	release()
	m := receive(t, "the notifications", came)
	var d wire.Decoder
	var p wire.Packet
	if err := d.Decode(m.Data, &p); err != nil || len(p.Envelopes) != notes {
		t.Fatalf("%d envelopes, %v", len(p.Envelopes), err)
	}
	first := p.FirstID
	reply := func(replies ...wire.Reply) {
		t.Helper()
		if err := m.Respond((&wire.Packet{Replies: replies}).Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	reply(wire.Reply{ID: first + notes, Further: wire.MaxItems - notes - 2}) // never sent
	reply(wire.Reply{ID: math.MaxUint64 - 9, Further: 9}, wire.Reply{ID: 0, Further: first - 1})
	reply(wire.Reply{ID: first, Further: 9}, wire.Reply{ID: first + 5, Further: 9}, wire.Reply{ID: first + 5}) // 0 to 14, some twice
	reply(wire.Reply{ID: first + 20, Further: 4}, wire.Reply{ID: first + 20, Err: outcome.New(outcome.ErrDraining)})
	reply(wire.Reply{ID: first + 99, Further: 1000}) // the last, and what was never sent
	eventually(t, "the last is told", func() bool { return all[99].accepted.Load() == 1 })
	for i := range all {
		want := i < 15 || i >= 20 && i < 25 || i == 99
		if got := all[i].accepted.Load(); (got == 1) != want || got > 1 || all[i].failed.Load() > 0 {
			t.Errorf("notification %d was told %d times, and %d times of a failure", i, got, all[i].failed.Load())
		}
	}
	if n := client.OpenCalls(); n != notes-21 {
		t.Errorf("%d calls are open", n)
	}
	// A message that does not decode ends the calls that its subject names.
	for _, forged := range []wire.Reply{{ID: first, Further: math.MaxUint64}, {ID: first + 50, Further: 5, Data: []byte("x")}} {
		reply(forged)
	}
	eventually(t, "all are told", func() bool { // a call is no longer open a moment before its sender is told
		for i := range all {
			if all[i].accepted.Load()+all[i].failed.Load() == 0 {
				return false
			}
		}
		return client.OpenCalls() == 0
	})
	for i := range all {
		if all[i].accepted.Load()+all[i].failed.Load() != 1 {
			t.Errorf("notification %d was told %d and %d times", i, all[i].accepted.Load(), all[i].failed.Load())
		}
	}
}
