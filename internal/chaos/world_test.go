package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const nodes = 5

// world is a cluster of processes: nodes, and one NATS server or three.
type world struct {
	t       *testing.T
	dir     string
	urls    []string
	routes  []string // between three servers
	servers []*process
	nodes   [nodes]*process
	proxies [nodes]*proxy // between the nodes and one server; not with three
	client  *natstransport.Transport
}

func newWorld(t *testing.T, servers int) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), servers: make([]*process, servers)}
	for range servers {
		w.urls = append(w.urls, freeURL(t))
		w.routes = append(w.routes, freeURL(t))
	}
	for i := range servers {
		w.startServer(i)
	}
	for _, s := range w.servers {
		s.awaitReady()
	}
	nc, err := nats.Connect(w.url(), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	w.makeBucket(nc)
	for i := range w.nodes {
		if servers == 1 {
			w.proxies[i] = startProxy(t, w.urls[0])
		}
		w.startNode(i)
	}
	for _, n := range w.nodes {
		n.awaitReady()
	}
	w.client, err = natstransport.New(natstransport.Options{
		URL: w.url(), Log: slog.New(slog.DiscardHandler),
		NATSOptions: []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Close() })
	return w
}

func (w *world) url() string { return strings.Join(w.urls, ",") }

// makeBucket makes the counters' bucket, once the servers have a leader.
func (w *world) makeBucket(nc *nats.Conn) {
	w.t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	giveUp := time.After(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
		_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, Replicas: len(w.servers)})
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

// leader is the server that leads the stream of the members' records.
func (w *world) leader() int {
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
	s, err := js.Stream(w.t.Context(), "KV_clstr_members")
	if err != nil {
		w.t.Fatal(err)
	}
	for i, p := range w.servers {
		if p.name == s.CachedInfo().Cluster.Leader {
			return i
		}
	}
	w.t.Fatalf("who leads? %+v", s.CachedInfo().Cluster)
	return 0
}

// freeURL returns an address that nobody listens at; a server comes back to it.
func freeURL(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "nats://" + l.Addr().String()
}

func (w *world) startServer(i int) {
	w.t.Helper()
	name, peers := fmt.Sprint("nats-", i), ""
	if len(w.servers) > 1 {
		peers = strings.Join(append([]string{w.routes[i]}, w.routes...), ",")
	}
	w.servers[i] = start(w.t, "server", name, w.urls[i], filepath.Join(w.dir, name), peerEnv+"="+peers)
}

func (w *world) startNode(i int) {
	w.t.Helper()
	url := w.url()
	if w.proxies[i] != nil {
		url = w.proxies[i].url()
	}
	w.nodes[i] = start(w.t, "node", fmt.Sprint("node-", i), url, w.dir)
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
