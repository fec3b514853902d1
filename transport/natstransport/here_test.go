package natstransport_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestHereNeedsNoNATS: a node that NATS does not reach serves its own process while it has its lease.
func TestHereNeedsNoNATS(t *testing.T) {
	for _, always := range []bool{false, true} {
		srv := testkit.StartNATSServer(t, nil)
		node := connect(t, natstransport.Options{URL: srv.URL(), NATSOptions: soon(), AlwaysOverNATS: always})
		lease, hour := standing.NewLease(), time.Now().Add(time.Hour)
		lease.Extend(hour, hour)
		receiver := node.Backend().Dispatcher().ReceiverFunc(echo)
		sub, err := node.Backend().Subscribe(patient(t), 1, dispatch.Subscriber{Receiver: receiver, Standing: standing.New("it", 1, 3, lease)})
		if err != nil {
			t.Fatal(err)
		}
		r := &records{epochs: make([]uint64, 4)}
		if _, err := node.Backend().ServeOwners(patient(t), r); err != nil {
			t.Fatal(err)
		}
		r.say(1, 3, node.Backend().Address())
		ask := transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}
		want(t, node, ask, "x")
		srv.Stop()
		eventually(t, "the node notices", func() bool { return !node.Connected() })
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
			ask.Delivery = d
			if always {
				refused(t, node, ask, outcome.ErrDisconnected, outcome.NotSent)
			} else if _, err := node.Request(patient(t), ask); err != nil {
				t.Errorf("delivery %d: %v", d, err)
			}
			refused(t, node, transport.Envelope{Shard: 2, Type: "Echo", Delivery: d}, outcome.ErrDisconnected, outcome.NotSent)
		}
		lease.End()
		lease.Lapse()
		refused(t, node, ask, outcome.ErrDisconnected, outcome.NotSent) // no other owner can be asked for
		eventually(t, "no call is left", func() bool { return sub.Pending() == 0 })
	}
}

// TestHereEndsForGood: when the connection has ended for good, so have the calls.
func TestHereEndsForGood(t *testing.T) {
	nc := dial(t, testkit.StartNATS(t))
	tr := connect(t, natstransport.Options{Conn: nc})
	serve(t, tr, 1, echo)
	want(t, tr, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	nc.Close()
	receive(t, "the end", tr.Broken())
	refused(t, tr, transport.Envelope{Shard: 1, Type: "Echo"}, outcome.ErrTransportClosed, outcome.NotSent)
}

// TestHereFollowsAMove: the shard goes from here to another node and back. A caller here notices nothing but
// the one hop more, and asks no node.
func TestHereFollowsAMove(t *testing.T) {
	url, here, _, r := realm(t, 2)
	there := connect(t, natstransport.Options{URL: url})
	for epoch := uint64(1); epoch < 20; epoch += 2 {
		first := own(t, here, r, 1, epoch, says("here"))
		eventually(t, "it is here", func() bool {
			reply, err := here.Request(patient(t), transport.Envelope{Shard: 1, Type: "Who"})
			return err == nil && string(reply) == "here"
		})
		moved := own(t, there, r, 1, epoch+1, says("there"))
		if err := first.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
		for _, d := range []transport.Delivery{transport.AwaitNothing, transport.AwaitAccept} {
			if _, err := here.Request(patient(t), transport.Envelope{Shard: 1, Type: "Note", Delivery: d}); err != nil {
				t.Errorf("delivery %d: %v", d, err)
			}
		}
		want(t, here, transport.Envelope{Shard: 1, Type: "Who"}, "there")
		if err := moved.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
	if n := here.MissedNotifications(); n != 0 {
		t.Errorf("%d notifications were missed", n)
	}
}

// TestHereByAFixedList: the list ends, and another node has one.
func TestHereByAFixedList(t *testing.T) {
	url := testkit.StartNATS(t)
	var log lockedBuffer
	here := connect(t, natstransport.Options{URL: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
	sub := serve(t, here, 1, says("here"))
	want(t, here, transport.Envelope{Shard: 1, Type: "Who"}, "here")
	there := connect(t, natstransport.Options{URL: url})
	serve(t, there, 1, says("there"))
	eventually(t, "the log tells of two lists", func() bool {
		here.MayAsk()
		_, _ = here.Request(patient(t), transport.Envelope{Shard: 2, Type: "Who"})
		return strings.Contains(log.String(), "two nodes serve a shard by fixed lists")
	})
	want(t, here, transport.Envelope{Shard: 1, Type: "Who"}, "here")
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	want(t, here, transport.Envelope{Shard: 1, Type: "Who"}, "there")
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, here, transport.Envelope{Shard: 1, Type: "Who"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
}

// TestHereOfAFalseAnnouncement: an announcement names this end, in an epoch that does not exist.
func TestHereOfAFalseAnnouncement(t *testing.T) {
	url, node, _, r := realm(t, 2)
	own(t, node, r, 1, 3, says("it"))
	refused(t, node, transport.Envelope{Shard: 0, Type: "Who"}, outcome.ErrNotOwner, outcome.NotStarted) // it hears announcements now
	nc := dial(t, url)
	announce(t, nc, node, wire.Owners{First: 1, Owners: []wire.Owner{{Epoch: 1 << 40, Node: node.Backend().Address()}}})
	want(t, node, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	if epoch := node.Epoch(1); epoch != 3 {
		t.Errorf("epoch %d", epoch)
	}
}

// TestHereLimits: what is too large over NATS is too large here, and the error is the same.
func TestHereLimits(t *testing.T) {
	url := testkit.StartNATS(t)
	const most = 1 << 20
	var ends [2]*natstransport.Transport
	for i := range ends {
		ends[i] = connect(t, natstransport.Options{URL: url, Prefix: string(rune('a' + i)), AlwaysOverNATS: i == 1})
		serve(t, ends[i], 1, func(_ context.Context, env transport.Envelope) ([]byte, error) {
			return make([]byte, len(env.Data)+int(env.NumShards)), nil
		})
	}
	for _, env := range []transport.Envelope{
		{Data: make([]byte, most/2)}, {Data: make([]byte, most-200)}, {Data: make([]byte, most-20)}, {Data: make([]byte, most)},
		{Key: strings.Repeat("k", 1000), Data: make([]byte, most-500)},
		{Headers: map[string]string{"h": strings.Repeat("v", most)}},
		{NumShards: most / 2}, {NumShards: most - 200}, {NumShards: most}, {Data: make([]byte, most/2), NumShards: most / 2},
	} {
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
			env.Shard, env.Type, env.Delivery = 1, "T", d
			var errs [2]error
			for i, tr := range ends {
				_, errs[i] = tr.Request(context.Background(), env)
			}
			if outcome.CodeOf(errs[0]) != outcome.CodeOf(errs[1]) || outcome.Of(errs[0]) != outcome.Of(errs[1]) || (errs[0] == nil) != (errs[1] == nil) {
				t.Errorf("%d bytes, delivery %d: here %v, over NATS %v", len(env.Data), d, errs[0], errs[1])
			}
		}
	}
}

// verdict is the outcome of a notification that was posted.
type verdict chan error

// Told implements dispatch.Told.
func (c verdict) Told(err error) { c <- err }

// TestHereRefusesAGap: a notification is accepted here only if the one before it was accepted here.
func TestHereRefusesAGap(t *testing.T) {
	url, here, _, r := realm(t, 2)
	there := connect(t, natstransport.Options{URL: url})
	var d diary
	poster := here.Backend().(dispatch.Poster)
	post := func(number, after uint64) error {
		t.Helper()
		c := make(verdict, 1)
		env := transport.Envelope{Shard: 1, Type: "Next", Data: []byte{0, 0, 0, byte(number)}, Delivery: transport.AwaitAccept}
		open, err := poster.Post(patient(t), &env, dispatch.Order{Number: number, After: after}, time.Now().Add(patience), c)
		if open {
			return receive(t, "the outcome", c)
		}
		return err
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	lease := d.own(t, here, r, 1, 1)
	ok(post(1, 0))
	ok(post(2, 1))
	failed(t, post(4, 3), outcome.ErrOutOfOrder, outcome.NotStarted) // 3 never came
	d.ends(lease)
	lease = d.own(t, there, r, 1, 2)
	eventually(t, "it is there", func() bool {
		_, err := here.Request(patient(t), transport.Envelope{Shard: 1, Type: "Next", Data: []byte{0, 0, 0, 4}})
		return err == nil && here.Epoch(1) == 2
	})
	failed(t, post(5, 2), outcome.ErrOutOfOrder, outcome.NotStarted) // 2 was accepted elsewhere
	ok(post(6, 0))
	ok(post(7, 6))
	d.ends(lease)
	d.own(t, here, r, 1, 3)
	eventually(t, "it is here", func() bool {
		_, err := here.Request(patient(t), transport.Envelope{Shard: 1, Type: "Next", Data: []byte{0, 0, 0, 8}})
		return err == nil && here.Epoch(1) == 3
	})
	failed(t, post(9, 7), outcome.ErrOutOfOrder, outcome.NotStarted)
	ok(post(10, 2)) // 2 was accepted here
	if err := here.Close(); err != nil {
		t.Error(err)
	}
	if err := post(11, 10); !errors.Is(err, outcome.ErrTransportClosed) || outcome.Of(err) != outcome.NotSent {
		t.Error(err)
	}
}
