package cluster_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

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
