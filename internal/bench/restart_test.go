package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const (
	liveNodes = 3
	// inPlace is how often a node may die within ten minutes and still take its shards over at once.
	inPlace = 3
)

// BenchmarkRestart kills one of three live nodes and starts it again at once, as a supervisor does, until
// every shard has answered.
func BenchmarkRestart(b *testing.B) {
	var took []float64
	var url string
	var client *cluster.Client
	var kill [liveNodes]func()
	name := func(i int) string { return fmt.Sprint("node-", i) }
	run := func(i int) { _, kill[i] = launch(b, "live", url, nameEnv+"="+name(i)) }
	for n := 0; b.Loop(); n++ {
		victim := n % liveNodes
		if n%(liveNodes*inPlace) == 0 {
			b.StopTimer()
			for _, f := range kill {
				if f != nil {
					f()
				}
			}
			url = start(b, "one", "")
			for i := range kill {
				run(i)
			}
			client = liveClient(b, url)
			settled(b, client, name)
			b.StartTimer()
		}
		began := time.Now()
		kill[victim]()
		run(victim)
		if owners(b, client)[name(victim)] == 0 {
			b.Errorf("%s serves nothing after its restart", name(victim))
		}
		took = append(took, float64(time.Since(began).Microseconds())/1e3)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "p50-restart-ms")
	b.ReportMetric(took[len(took)-1], "max-restart-ms")
}

// settled waits until each node serves shards.
func settled(b *testing.B, client *cluster.Client, name func(int) string) {
	for giveUp := time.Now().Add(time.Minute); ; {
		serve := owners(b, client)
		all := true
		for i := range liveNodes {
			all = all && serve[name(i)] > 0
		}
		if all {
			return
		}
		if time.Now().After(giveUp) {
			b.Fatalf("a minute later the nodes serve so many shards: %v", serve)
		}
	}
}

// owners asks every shard, and returns how many each node serves.
func owners(b *testing.B, client *cluster.Client) map[string]int {
	serve := map[string]int{}
	for shard := range uint32(shards) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		info, err := client.Shard(shard).GetNodeInfo(ctx)
		cancel()
		if err != nil {
			b.Fatal(err)
		}
		serve[info.NodeID]++
	}
	return serve
}

func liveClient(b *testing.B, url string) *cluster.Client {
	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = tr.Close() })
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// runLive is a live node, with the default timing.
func runLive(url string) error {
	ctx, quiet := context.Background(), slog.New(slog.DiscardHandler)
	store, err := natsstore.Open(ctx, natsstore.Options{URL: url, Log: quiet})
	if err != nil {
		return err
	}
	defer store.Close()
	tr, err := natstransport.Open(ctx, natstransport.Options{URL: url, Log: quiet})
	if err != nil {
		return err
	}
	defer tr.Close()
	return runUntilAlone(cluster.NewNode(cluster.NodeOptions{
		NodeID: os.Getenv(nameEnv), Transport: tr, Membership: store, NumShards: shards, Log: quiet,
		Handler: cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
			return func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil }, nil
		}),
	}))
}
