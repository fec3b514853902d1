package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// stopper calls stop wherever the node calls it, and keeps what that returns.
type stopper struct {
	cluster.ClusterMetrics
	slog.Handler
	mu   sync.Mutex
	stop func() error // nil: it calls nothing
	got  map[string]error
}

func (s *stopper) in(where string) {
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	if stop == nil {
		return
	}
	err := stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got[where] = err
}

func (s *stopper) Enabled(context.Context, slog.Level) bool { return true }

func (s *stopper) Handle(_ context.Context, r slog.Record) error {
	s.in(r.Message)
	return nil
}

func (s *stopper) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s *stopper) WithGroup(string) slog.Handler { return s }

func (s *stopper) ShardsOwned(_ string, count int) { s.in("ShardsOwned") }

// TestStopInsideOfTheNodesCalls: a log handler or a metric that calls stop would have the node wait for itself. It gets an error
// instead, and the node ends as it should.
func TestStopInsideOfTheNodesCalls(t *testing.T) {
	for name, live := range map[string]bool{"fixed": false, "live": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stopper{ClusterMetrics: cluster.NopClusterMetrics(), got: map[string]error{}}
				tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
				defer func() { _ = tr.Close() }()
				opts := cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: livingShards, Handler: entity("a"), Log: slog.New(s), Metrics: s}
				if live {
					opts.Membership = memstore.New()
				} else {
					opts.Shards = cluster.ShardsForNode("a", []string{"a"}, livingShards, "")
				}
				stop, err := cluster.NewNode(opts).Start(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.mu.Lock()
				s.stop = stop
				s.mu.Unlock()
				if err := stop(); err != nil {
					t.Error(err)
				}
				for _, where := range []string{"node drains", "ShardsOwned", "node has ended"} {
					if err, called := s.got[where]; !called || !errors.Is(err, cluster.ErrFromHandler) {
						t.Errorf("in %s (called: %v) stop returns %v", where, called, err)
					}
				}
			})
		})
	}
}
