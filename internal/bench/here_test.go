package bench

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// BenchmarkNATSHere is requests to 1,000 active keys of the caller's own process, over the transport of its node: as
// they go by default (clstr: raw bytes), and over NATS all the same (over). Beside them are request and reply of
// nats.go to this process, and the transport in memory.
func BenchmarkNATSHere(b *testing.B) {
	url := start(b, "server", "")
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	if _, err := nc.Subscribe(rawEcho, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		b.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	dial := func(prefix string, always bool) setup {
		tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: url, Prefix: prefix, AlwaysOverNATS: always, Log: quiet})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = tr.Close() })
		return hostHere(b, tr)
	}
	memory := memtransport.New(memtransport.Options{}).WithLog(quiet)
	b.Cleanup(func() { _ = memory.Close() })
	here, over, inMemory := dial("here", false), dial("over", true), hostHere(b, memory)
	users, usersOver, usersInMemory := here.users(b), over.users(b), inMemory.users(b)
	payload, words := make([]byte, 64), strings.Repeat("a", 64)
	for _, callers := range []int{1, 64} {
		name := fmt.Sprintf("64B/callers=%d", callers)
		b.Run(name+"/raw", func(b *testing.B) {
			spread(b, callers, func(int) error {
				_, err := nc.Request(rawEcho, payload, time.Minute)
				return err
			})
		})
		b.Run(name+"/clstr", func(b *testing.B) {
			spread(b, callers, func(i int) error {
				_, err := here.client.RequestKey(context.Background(), "key-"+strconv.Itoa(i%keys), "Echo", payload)
				return err
			})
		})
		for way, users := range map[string][]*cluster.ScopedClient{"clstr-json": users, "over-json": usersOver, "memory-json": usersInMemory} {
			b.Run(name+"/"+way, func(b *testing.B) {
				spread(b, callers, func(i int) error { return askJSON(users[i%keys], words) })
			})
		}
	}
}

// hostHere makes a node and a client on one transport.
func hostHere(b *testing.B, tr cluster.Transport) setup {
	ended := make(chan struct{})
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "node", Transport: tr, NumShards: shards, Shards: cluster.ShardsForNode("node", []string{"node"}, shards, ""),
		Log: slog.New(slog.DiscardHandler),
		Handler: cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
			return func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil }, nil
		}),
		Kinds: map[string]cluster.ServerHandlerFunc{"typed": cluster.NewActorHandler(typedKind(func() {}).New)},
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with the benchmark, which waits for it
		defer close(ended)
		if err := node.Run(ctx); err != nil {
			b.Error(err)
		}
	}()
	b.Cleanup(func() { cancel(); <-ended })
	<-node.Ready()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		b.Fatal(err)
	}
	return setup{client: client}
}
