package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const nodes = 5

// world is a cluster of processes: nodes, and one NATS server or three.
type world struct {
	t       *testing.T
	dir     string
	urls    []string
	routes  []string // where three servers listen for each other
	slow    []string // the same with a network before it; empty: nobody is far away
	servers []*process
	nodes   [nodes]*process
	proxies [nodes]*proxy // between the nodes and one server; not with three
	stores  [nodes]*proxy // the same for durable nodes' stores of state, and for all that counters' nodes keep
	role    string        // of the nodes' processes
	sure    bool          // no server dies
	client  *natstransport.Transport
}

// newWorld starts one. The last server, which the callers' connection goes to, is far
// away from the others, which the nodes' go to; 0 is not at all, and all to any.
func newWorld(t *testing.T, n nemesis, role string) *world {
	t.Helper()
	servers, far := max(1, n.servers), n.far
	w := &world{t: t, dir: t.TempDir(), servers: make([]*process, servers), role: role, sure: n.planned}
	for i := range servers {
		w.urls = append(w.urls, freeURL(t))
		w.routes = append(w.routes, freeURL(t))
		if far > 0 {
			w.slow = append(w.slow, startProxy(t, w.routes[i], far).url())
		}
	}
	for i := range servers {
		w.startServer(i)
		if far > 0 {
			w.servers[i].awaitReady() // those that are near have found each other before the last comes
		}
	}
	if far == 0 {
		for _, s := range w.servers {
			s.awaitReady()
		}
	}
	nc, err := nats.Connect(w.url(), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	w.makeBucket(nc)
	for i := range w.nodes {
		if servers == 1 {
			w.proxies[i], w.stores[i] = startProxy(t, w.urls[0], 0), startProxy(t, w.urls[0], 0)
		}
		w.startNode(i)
	}
	for _, n := range w.nodes {
		n.awaitReady()
	}
	callers := w.urls
	if far > 0 {
		callers = callers[servers-1:]
		w.leadNear(nc, members)
		w.leadNear(nc, "KV_"+bucket)
	}
	w.client, err = natstransport.Open(t.Context(), natstransport.Options{
		URL: strings.Join(callers, ","), Log: slog.New(slog.DiscardHandler),
		NATSOptions: []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Close() })
	return w
}

func (w *world) url() string { return strings.Join(w.urls, ",") }

// makeBucket makes the counters' bucket, once the servers have a leader. Only the leader answers
// reads of it: a replica that is behind would give a counter that has moved an old value, with a
// revision that its next write is refused for.
func (w *world) makeBucket(nc *nats.Conn) {
	w.t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	giveUp := time.After(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
		err := createBucket(ctx, js, len(w.servers))
		cancel()
		if err == nil {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-giveUp:
			w.t.Fatalf("the bucket cannot be made: %v", err)
		}
	}
}

func createBucket(ctx context.Context, js jetstream.JetStream, replicas int) error {
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, Replicas: replicas}); err != nil {
		return err
	}
	s, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return err
	}
	c := s.CachedInfo().Config
	c.AllowDirect = false
	_, err = js.UpdateStream(ctx, c)
	return err
}

// members is the stream of the members' records.
const members = "KV_clstr_members"

// leader is the server that leads a stream, -1 while none does or that cannot be heard of.
func (w *world) leader(stream string) int {
	w.t.Helper()
	nc, err := nats.Connect(w.url())
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := js.Stream(w.t.Context(), stream)
	if err != nil {
		return -1 // it waits for an answer of the leader, for 5 s at most
	}
	for i, p := range w.servers {
		if p.name == s.CachedInfo().Cluster.Leader {
			return i
		}
	}
	return -1
}

// led waits for a stream's leader.
func (w *world) led(stream string) (i int) {
	w.t.Helper()
	giveUp := time.After(time.Minute)
	for i = w.leader(stream); i < 0; i = w.leader(stream) {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-giveUp:
			w.t.Fatalf("nobody leads the stream %s", stream)
		}
	}
	return i
}

// leadNear has a server that is near lead a stream. With the members' records, moves
// are then over before those who are far away have heard of them.
func (w *world) leadNear(nc *nats.Conn, stream string) {
	w.t.Helper()
	giveUp := time.After(time.Minute)
	for i := w.leader(stream); i < 0 || i == len(w.servers)-1; i = w.leader(stream) {
		_, err := nc.Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, []byte(`{"placement": {"preferred": "nats-0"}}`), 2*time.Second)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-giveUp:
			w.t.Fatalf("the server that is far away leads on: %v", err)
		}
	}
}

// freeURL returns an address that nobody listens at; a server comes back to it.
func freeURL(t *testing.T) string { return fmt.Sprint("nats://127.0.0.1:", natstest.FreePort(t)) }

func (w *world) startServer(i int) {
	w.t.Helper()
	name, peers := fmt.Sprint("nats-", i), ""
	if len(w.servers) > 1 {
		peers = strings.Join(slices.Concat([]string{w.routes[i], w.routes[i]}, w.routes), ",")
	}
	if last := len(w.slow) - 1; i == last {
		peers = strings.Join(slices.Concat([]string{w.routes[i], w.slow[i]}, w.slow), ",")
	} else if last > 0 {
		peers = strings.Join(slices.Concat([]string{w.routes[i], w.slow[i]}, w.routes[:last], w.slow[last:]), ",")
	}
	w.servers[i] = start(w.t, "server", name, w.urls[i], filepath.Join(w.dir, name), peerEnv+"="+peers)
}

func (w *world) startNode(i int) {
	w.t.Helper()
	url, store := w.url(), w.url()
	switch {
	case w.proxies[i] != nil:
		url, store = w.proxies[i].url(), w.stores[i].url()
	case len(w.slow) > 0:
		url = strings.Join(w.urls[:len(w.urls)-1], ",")
		store = url
	}
	w.nodes[i] = start(w.t, w.role, nodeName(i), url, w.dir, stateEnv+"="+store, fmt.Sprint(sureEnv, "=", w.sure))
}

// served returns when a question to every shard was answered by its owner.
func (w *world) served() {
	w.t.Helper()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: w.client, NumShards: shards})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for shard := range uint32(shards) {
		wg.Go(func() {
			for {
				try, done := context.WithTimeout(ctx, time.Second)
				_, err := client.Shard(shard).GetNodeInfo(try)
				done()
				if err == nil {
					return
				}
				if ctx.Err() != nil {
					w.t.Errorf("shard %d is not served: %v", shard, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
