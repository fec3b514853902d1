package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestTwoNodesOfOneShardAreTold: in one line, by the node that comes second, where lists
// of shards are fixed; on both transports. Lists that do not overlap, and a node that
// comes when the other has gone, are no news.
func TestTwoNodesOfOneShardAreTold(t *testing.T) {
	overNATS, err := natstransport.Open(t.Context(), natstransport.Options{URL: testkit.StartNATS(t), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	memory := memtransport.New(memtransport.Options{}).WithLog(quiet)
	for name, tr := range map[string]cluster.Transport{"memory": memory, "NATS": overNATS} {
		t.Run(name, func(t *testing.T) {
			log := &written{}
			start := func(id string, first, after uint32) (stop func()) {
				var shards []uint32
				for s := first; s < after; s++ {
					shards = append(shards, s)
				}
				return startNode(t, cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: 64, Shards: shards, Handler: echoData, Log: slog.New(slog.NewTextHandler(log, nil))})
			}
			want := func(when string, n int, part string) {
				t.Helper()
				told := log.lines("served by another node")
				if len(told) != n || n > 0 && !strings.Contains(told[n-1], part) {
					t.Errorf("%s: the log has %q, want %d lines, and %q", when, told, n, part)
				}
			}
			start("a", 0, 32)
			stop := start("b", 32, 64)
			want("lists that do not overlap", 0, "")
			stop()
			stop = start("b", 32, 64)
			want("one that comes again", 0, "")
			stopC := start("c", 20, 64)
			want("lists that overlap", 1, fmt.Sprintf("node=c count=%d shards=\"[20 21 22 23 24 25 26 27]\"", 44))
			stopC()
			stop()
			start("d", 32, 64)
			want("when the others have gone", 1, "count=44")
		})
		_ = tr.Close()
	}
}

// TestTwoNodesOfOneShardOverNATS: each on a transport of its own. Both ends are told, and so is a client that hears of
// both. A client stays with the node that it has found first.
func TestTwoNodesOfOneShardOverNATS(t *testing.T) {
	url := testkit.StartNATS(t)
	at := func() (*natstransport.Transport, *written) {
		log := &written{}
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return tr, log
	}
	logs := map[string]*written{}
	node := func(id string, shards ...uint32) {
		tr, log := at()
		logs[id] = log
		startNode(t, cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: 8, Shards: shards, Handler: echoData})
	}
	ask := func(c *cluster.Client, shard uint32) string {
		t.Helper()
		info, err := c.Shard(shard).GetNodeInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.NodeID
	}
	node("a", 0, 1, 2, 3)
	tr, _ := at()
	early := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 8})
	if id := ask(early, 3); id != "a" {
		t.Errorf("shard 3 is served by %s", id)
	}
	node("b", 3, 4, 5)
	tr, log := at()
	late := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 8})
	logs["a client that comes later"] = log
	for _, c := range []*cluster.Client{early, late} {
		if a, b := ask(c, 2), ask(c, 4); a != "a" || b != "b" {
			t.Errorf("shards 2 and 4 are served by %s and %s", a, b)
		}
	}
	stays := ask(late, 3)
	for end, log := range logs {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		for len(log.lines("two nodes serve a shard by fixed lists: the lists must not overlap")) == 0 {
			select {
			case <-time.After(10 * time.Millisecond):
				ask(early, 4)
			case <-ctx.Done():
				t.Fatalf("%s is not told", end)
			}
		}
		cancel()
		if lines := log.lines("must not overlap"); !strings.Contains(lines[0], "shard=3 ") {
			t.Errorf("%s is told %q", end, lines)
		}
	}
	for range 20 {
		if id := ask(early, 3); id != "a" {
			t.Errorf("the client of before has gone over to %s", id)
		}
		if id := ask(late, 3); id != stays {
			t.Errorf("the other client has gone over from %s to %s", stays, id)
		}
	}
}
