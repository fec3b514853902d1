package natstransport_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// records is what nodes say of owners.
type records struct {
	mu      sync.Mutex
	epochs  []uint64
	nodes   []string
	version atomic.Uint64
}

func (r *records) Version() uint64 { return r.version.Load() }

func (r *records) Seed() string { return "seed" }

// Owners implements dispatch.Owners.
func (r *records) Owners(first uint32, most int) (owners []dispatch.Owner, numShards uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := min(int(first), len(r.epochs)); i < len(r.epochs) && len(owners) < most; i++ {
		o := dispatch.Owner{Epoch: r.epochs[i]}
		if i < len(r.nodes) {
			o.Address = r.nodes[i]
		}
		owners = append(owners, o)
	}
	return owners, uint32(len(r.epochs))
}

// say tells of the owner of a shard.
func (r *records) say(shard uint32, epoch uint64, node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.nodes) < len(r.epochs) {
		r.nodes = append(r.nodes, "")
	}
	r.epochs[shard], r.nodes[shard] = epoch, node
	r.version.Add(1)
}

// own serves a shard in an epoch, and says so.
func own(t *testing.T, node *natstransport.Transport, r *records, shard uint32, epoch uint64, h transport.HandlerFunc) *dispatch.Sub {
	t.Helper()
	lease := standing.NewLease()
	lease.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	sub, err := node.Backend().Subscribe(patient(t), shard, dispatch.Subscriber{Receiver: node.Backend().Dispatcher().ReceiverFunc(h), Standing: standing.New("it", shard, epoch, lease)})
	if err != nil {
		t.Fatal(err)
	}
	r.say(shard, epoch, node.Backend().Address())
	return sub
}

// realm is a node that tells of owners, and a client.
func realm(t *testing.T, shards int) (url string, node, client *natstransport.Transport, r *records) {
	t.Helper()
	url = testkit.StartNATS(t)
	node, client = connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	r = &records{epochs: make([]uint64, shards)}
	if _, err := node.Backend().ServeOwners(patient(t), r); err != nil {
		t.Fatal(err)
	}
	return url, node, client, r
}

// says answers with a name.
func says(name string) transport.HandlerFunc {
	return func(context.Context, transport.Envelope) ([]byte, error) { return []byte(name), nil }
}

// announce publishes an announcement as anybody on the account may, and returns
// when the client has heard it.
func announce(t *testing.T, nc *nats.Conn, client *natstransport.Transport, o wire.Owners) {
	t.Helper()
	if err := nc.Publish("clstr.own", wire.AppendOwners(nil, &o)); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client listens", client.Hears)
	client.Sync(patient(t))
}

// A client on the account may announce what it likes: callers try it once, and
// believe the nodes.
func TestForgedAnnouncements(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	own(t, node, r, 2, 5, says("other"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	eventually(t, "the client listens", client.Hears)
	evil := dial(t, url)
	for _, epoch := range []uint64{4, 1 << 63, math.MaxUint64} {
		announce(t, evil, client, wire.Owners{First: 1, Owners: slices.Repeat([]wire.Owner{{Epoch: epoch, Node: "nobody"}}, 3)})
		if got := client.Epoch(1); got != epoch {
			t.Fatalf("the client knows epoch %d, not the %d that was announced", got, epoch)
		}
		for range 5 { // the first finds nobody, asks, and is sent again
			want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
			want(t, client, transport.Envelope{Shard: 2, Type: "Who"}, "other")
		}
		client.MayAsk()
		refused(t, client, transport.Envelope{Shard: 3, Type: "Who"}, outcome.ErrNotOwner, outcome.NotStarted)
		client.MayAsk()
	}
	own(t, node, r, 3, 1, says("third"))
	eventually(t, "the shard is found", func() bool {
		reply, _ := client.Request(patient(t), transport.Envelope{Shard: 3, Type: "Who"})
		return string(reply) == "third"
	})

	// Notifications without an acknowledgement go astray until it is known.
	announce(t, evil, client, wire.Owners{First: 1, Owners: []wire.Owner{{Epoch: 1 << 62, Node: "nobody"}}})
	client.MayAsk()
	eventually(t, "notifications find the owner", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Shard: 1, Type: "Note", Delivery: transport.AwaitNothing})
		return err == nil && client.Epoch(1) == 3
	})
	if client.MissedNotifications() == 0 {
		t.Error("what went astray was not counted")
	}
}

// TestForgedAnnouncementWithAListener: where anybody listens to all subjects the server
// does not say that nobody serves an epoch. Then one call waits out its deadline, and the
// next finds the owner that the nodes tell of.
func TestForgedAnnouncementWithAListener(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	evil := dial(t, url)
	if _, err := evil.SubscribeSync("clstr.>"); err != nil {
		t.Fatal(err)
	}
	for _, wait := range []func(context.Context, *transport.Envelope) (context.Context, context.CancelFunc){
		func(ctx context.Context, _ *transport.Envelope) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		},
		func(ctx context.Context, env *transport.Envelope) (context.Context, context.CancelFunc) {
			env.TTLMs = 100
			return context.WithCancel(ctx)
		},
	} {
		announce(t, evil, client, wire.Owners{First: 1, Owners: []wire.Owner{{Epoch: 1 << 60, Node: "nobody"}}})
		client.MayAsk()
		env := transport.Envelope{Shard: 1, Type: "Who"}
		ctx, cancel := wait(patient(t), &env)
		if _, err := client.Request(ctx, env); outcome.Of(err) != outcome.MaybeRan {
			t.Errorf("nobody can answer: %v", err)
		}
		cancel()
		eventually(t, "the nodes are believed", func() bool { return client.Epoch(1) == 3 })
		want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	}
}

// An announcement costs no memory: there are as many shards as the nodes say.
func TestAnnouncementsOfNoShard(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	eventually(t, "the client listens", client.Hears)
	evil := dial(t, url)
	forged := slices.Repeat([]wire.Owner{{Epoch: 1, Node: "nobody"}}, 1000)
	for _, o := range []wire.Owners{
		{First: 1<<20 - 1, Owners: forged[:1], NumShards: 1 << 20},
		{First: math.MaxUint32, Owners: forged[:3], NumShards: math.MaxUint32},
		{First: 4, Owners: forged},
	} {
		announce(t, evil, client, o)
		if n := client.KnownShards(); n != 1 {
			t.Fatalf("the owners of %d shards are known, not of 1", n)
		}
	}
	if err := evil.Publish("clstr.own", []byte("no message")); err != nil {
		t.Fatal(err)
	}
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
}

// An answer may be older than what is known: it changes nothing that works.
func TestAnswersThatLag(t *testing.T) {
	_, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	own(t, node, r, 2, 7, says("other"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	r.say(1, 2, "lags")
	r.say(2, 0, "")
	for range 3 {
		client.MayAsk()
		refused(t, client, transport.Envelope{Shard: 3, Type: "Who"}, outcome.ErrNotOwner, outcome.NotStarted) // asks
		want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
		want(t, client, transport.Envelope{Shard: 2, Type: "Who"}, "other")
	}
	if client.Epoch(1) != 3 || client.Epoch(2) != 7 {
		t.Errorf("the client knows %d and %d", client.Epoch(1), client.Epoch(2))
	}
}

// TestOverlapIsTold: a client that knew a node before learns that the list of a later one overlaps, whichever of the two
// answers first.
func TestOverlapIsTold(t *testing.T) {
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		url := testkit.StartNATS(t)
		var log lockedBuffer
		client, nc := connect(t, natstransport.Options{URL: url, Log: slog.New(slog.NewTextHandler(&log, nil))}), dial(t, url)
		var both atomic.Bool
		if _, err := nc.Subscribe("clstr.who", func(m *nats.Msg) {
			for _, node := range order {
				if node == "a" || both.Load() {
					_ = m.Respond(wire.AppendOwners(nil, &wire.Owners{Node: node, Runs: []uint32{3, 1}})) // shard 3
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		for range 2 { // each asks, because no node serves shard 9
			client.MayAsk()
			refused(t, client, transport.Envelope{Shard: 9, Type: "Ask"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
			if said := func() bool { return strings.Contains(log.String(), "must not overlap\" shard=3 ") }; both.Load() {
				eventually(t, fmt.Sprint(order, ": the client is told"), said)
			} else if said() {
				t.Errorf("one node: %s", log.String())
			}
			both.Store(true)
		}
	}
}
