package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// failingStore answers with an error while it has one.
type failingStore struct {
	membership.Store
	err atomic.Pointer[error]
}

func (s *failingStore) fail(err error) {
	if err == nil {
		s.err.Store(nil)
		return
	}
	s.err.Store(&err)
}

func (s *failingStore) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if err := s.err.Load(); err != nil {
		return 0, *err
	}
	return s.Store.Write(ctx, key, rev, value)
}

func (s *failingStore) Read(ctx context.Context, key string) (membership.Entry, error) {
	if err := s.err.Load(); err != nil {
		return membership.Entry{}, *err
	}
	return s.Store.Read(ctx, key)
}

func (s *failingStore) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	if err := s.err.Load(); err != nil {
		return nil, 0, *err
	}
	return s.Store.Snapshot(ctx, prefix)
}

// probed is a node as its probes, its metrics and its API show it.
type probed struct {
	*testing.T
	node  *cluster.Node
	gauge *ownedGauge
}

// probe asks as an orchestrator does.
func (p *probed) probe(which string) (status int, body map[string]any) {
	p.Helper()
	w := httptest.NewRecorder()
	p.node.HealthHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health/"+which, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		p.Fatalf("%s: %v in %q", which, err, w.Body)
	}
	return w.Code, body
}

// want compares all of them. serves is how many shards are served now.
func (p *probed) want(when string, why cluster.HealthReason, serves int) cluster.Health {
	p.Helper()
	h := p.node.Health()
	if h.Why != why || h.Serving != (why == "") || h.ShardsOwned != serves || h.NodeID != "a" {
		p.Errorf("%s: %+v, want %q and %d shards", when, h, why, serves)
	}
	if told := p.gauge.told.Load(); told != int64(serves) {
		p.Errorf("%s: the gauge says %d shards, want %d", when, told, serves)
	}
	ready, body := p.probe("readyz")
	if want := map[bool]int{true: 200, false: 503}[why == ""]; ready != want || body["serving"] != (why == "") || fmt.Sprint(body["shards_owned"]) != fmt.Sprint(serves) {
		p.Errorf("%s: /readyz is %d, want %d: %v", when, ready, want, body)
	}
	if got, _ := body["why"].(string); got != string(why) {
		p.Errorf("%s: /readyz says %q, want %q", when, got, why)
	}
	if live, body := p.probe("livez"); live != 200 {
		p.Errorf("%s: /livez is %d: %v", when, live, body)
	}
	return h
}

// TestHealthOfALiveNode: through its whole life, and what happens to its store.
func TestHealthOfALiveNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, s := memtransport.New(memtransport.Options{}).WithLog(quiet), &failingStore{Store: memstore.New()}
		away := errors.New("nobody answers")
		s.fail(away)
		running, release := make(chan struct{}), make(chan struct{})
		p := &probed{T: t, gauge: &ownedGauge{ClusterMetrics: cluster.NopClusterMetrics()}}
		p.node = cluster.NewNode(cluster.NodeOptions{
			NodeID: "a", Transport: tr, Membership: s, NumShards: livingShards, Metrics: p.gauge, Log: quiet,
			Handler: func(context.Context, cluster.Envelope) ([]byte, error) { close(running); <-release; return nil, nil },
		})
		p.want("before Run", cluster.NodeJoining, 0)
		ctx, leave := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- p.node.Run(ctx) }() // ends with leave
		time.Sleep(time.Second)
		if h := p.want("the store has never answered", cluster.NodeStoreUnreachable, 0); !strings.Contains(h.Error, away.Error()) {
			t.Errorf("%+v does not say why", h)
		}
		s.fail(nil)
		<-p.node.Ready()
		synctest.Wait()
		if h := p.want("serving", "", livingShards); h.LeaseLeft <= 5*time.Second || h.LeaseLeft > 9*time.Second || h.ShardsWanted != livingShards || !h.LeaseEnded.IsZero() || h.Error != "" {
			t.Errorf("serving: %+v", h)
		}
		for err, why := range map[error]cluster.HealthReason{
			away: cluster.NodeStoreUnreachable,
			fmt.Errorf("bucket: %w", membership.ErrNoRecords): cluster.NodeBucketGone,
		} {
			time.Sleep(10 * time.Second)
			synctest.Wait() // a renewal of this moment is over
			s.fail(err)
			left := p.node.Health().LeaseLeft
			ends := time.Now().Add(left)
			time.Sleep(5 * time.Second)
			if h := p.want("the lease goes on", "", livingShards); h.Error != err.Error() || h.LeaseLeft >= left {
				t.Errorf("%v: %+v", err, h)
			}
			time.Sleep(time.Until(ends) + time.Second)
			if h := p.want("the lease has ended", why, 0); h.Error != err.Error() || h.LeaseLeft != 0 || !h.LeaseEnded.Equal(ends) || h.Since.Sub(ends) > time.Second || h.Since.Before(ends) {
				t.Errorf("%v: %+v, the lease ended %v", err, h, ends)
			}
			time.Sleep(15 * time.Second)
			if h := p.want("it has ended for long", why, 0); h.Error != err.Error() || h.LeaseLeft != 0 || h.Since.Sub(ends) > time.Second || h.Since.Before(ends) {
				t.Errorf("%v: %+v, the lease ended %v", err, h, ends)
			}
			back := 5 * time.Second
			if why == cluster.NodeBucketGone {
				back = 30 * time.Second // another incarnation joins, and takes over from this one
			}
			s.fail(nil)
			time.Sleep(back)
			p.want("the store is back", "", livingShards)
		}
		called := make(chan error, 1)
		go func() { // ends with the handler
			_, err := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: livingShards}).RequestKey(t.Context(), "k", "Slow", nil)
			called <- err
		}()
		<-running
		leave()
		time.Sleep(time.Second)
		p.want("draining", cluster.NodeDraining, livingShards) // the last node's shards end together, behind the handler
		close(release)
		if err := errors.Join(<-called, <-ended); err != nil {
			t.Error(err)
		}
		p.want("ended", cluster.NodeEnded, 0)
		_ = tr.Close()
	})
}

// TestHealthOfANodeThatComesAgain: one that others have declared dead joins.
func TestHealthOfANodeThatComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, s := memtransport.New(memtransport.Options{}).WithLog(quiet), &failingStore{Store: memstore.New()}
		p := &probed{T: t, gauge: &ownedGauge{ClusterMetrics: cluster.NopClusterMetrics()}}
		p.node = cluster.NewNode(cluster.NodeOptions{NodeID: "a", Transport: tr, Membership: s, NumShards: livingShards, Metrics: p.gauge, Log: quiet, Handler: echoData})
		ctx, leave := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- p.node.Run(ctx) }() // ends with leave
		<-p.node.Ready()
		b := cluster.NewNode(cluster.NodeOptions{NodeID: "b", Transport: tr, Membership: s.Store, NumShards: livingShards, Log: quiet, Handler: echoData})
		bEnded := make(chan error, 1)
		go func() { bEnded <- b.Run(ctx) }() // the same
		time.Sleep(30 * time.Second)
		h := p.node.Health()
		if !h.Serving || h.ShardsOwned != h.ShardsWanted || h.ShardsOwned == 0 || h.ShardsOwned == livingShards {
			t.Errorf("beside another: %+v", h)
		}
		s.fail(errors.New("away"))
		time.Sleep(30 * time.Second)
		s.fail(nil)
		time.Sleep(2 * time.Second) // b has its shards, and it waits before it takes any
		p.want("it has come again", cluster.NodeJoining, 0)
		if h := p.node.Health(); !strings.HasPrefix(h.Error, "deaths of node a in the last 10m0s: 1; it takes no shards for another ") {
			t.Errorf("it does not say why that takes long: %+v", h)
		}
		time.Sleep(30 * time.Second)
		if h := p.node.Health(); !h.Serving || h.ShardsOwned != h.ShardsWanted || h.ShardsOwned == 0 {
			t.Errorf("settled again: %+v", h)
		}
		leave()
		if err := errors.Join(<-ended, <-bEnded); err != nil {
			t.Error(err)
		}
		_ = tr.Close()
	})
}

// TestHealthWithoutAConnection: with live and with fixed shards.
func TestHealthWithoutAConnection(t *testing.T) {
	for _, live := range []bool{true, false} {
		server := testkit.StartNATSServer(t, nil)
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: server.URL(), Log: quiet, NATSOptions: []nats.Option{nats.ReconnectWait(20 * time.Millisecond)}})
		if err != nil {
			t.Fatal(err)
		}
		p := &probed{T: t, gauge: &ownedGauge{ClusterMetrics: cluster.NopClusterMetrics()}}
		opts := cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: 4, Metrics: p.gauge, Log: quiet, Handler: echoData}
		if live {
			opts.Membership = memstore.New()
		} else {
			opts.Shards = []uint32{0, 1, 2, 3}
		}
		p.node = cluster.NewNode(opts)
		stop, err := p.node.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h := p.want("connected", "", 4); h.ShardsWanted != 4 || live != (h.LeaseLeft > 0) {
			t.Errorf("live %v: %+v", live, h)
		}
		server.Stop()
		await(t, func() bool { return p.gauge.told.Load() == 0 }) // which nobody has asked for
		p.want("the server is away", cluster.NodeDataPathDead, 0)
		server.Restart()
		await(t, func() bool { return p.gauge.told.Load() == 4 })
		p.want("connected again", "", 4)
		if err := stop(); err != nil {
			t.Error(err)
		}
		p.want("stopped", cluster.NodeEnded, 0)
		_ = tr.Close()
	}
}

// await returns when something is so, which takes a moment of real time.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	giveUp, again := time.After(30*time.Second), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-giveUp:
			t.Fatal("not within 30 s")
		}
	}
}

// TestLivenessOfANodeThatHasFailed: only a new start of the process can help.
func TestLivenessOfANodeThatHasFailed(t *testing.T) {
	p := &probed{T: t}
	p.node = cluster.NewNode(cluster.NodeOptions{NodeID: "a", Transport: memtransport.New(memtransport.Options{})})
	if err := p.node.Run(t.Context()); err == nil {
		t.Fatal("a node without a handler runs")
	}
	for _, which := range []string{"livez", "readyz"} {
		if status, body := p.probe(which); status != 503 || body["why"] != "ended" || !strings.Contains(fmt.Sprint(body["error"]), "Handler") {
			t.Errorf("%s: %d %v", which, status, body)
		}
	}
}

// curious is metrics that look at the node's health.
type curious struct {
	cluster.ClusterMetrics
	node *cluster.Node
	told []int
}

func (m *curious) ShardsOwned(_ string, count int) {
	m.node.Health()
	m.told = append(m.told, count)
}

// TestHealthFromAMetric: Health does not block, so the gauge may ask for it.
func TestHealthFromAMetric(t *testing.T) {
	m := &curious{ClusterMetrics: cluster.NopClusterMetrics()}
	m.node = cluster.NewNode(cluster.NodeOptions{
		NodeID: "a", Transport: memtransport.New(memtransport.Options{}), NumShards: 1, Shards: []uint32{0}, Handler: echoData, Log: quiet, Metrics: m,
	})
	stop, err := m.node.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 1, 0}; !slices.Equal(m.told, want) {
		t.Errorf("the gauge was told %v, want %v", m.told, want)
	}
}

func TestHealthHandlerRefuses(t *testing.T) {
	h := cluster.NewNode(cluster.NodeOptions{}).HealthHandler()
	for method, paths := range map[string]map[string]int{
		http.MethodGet:  {"/healthz": 404, "/": 404, "/readyz": 503, "/livez/": 200},
		http.MethodHead: {"/livez": 200},
		http.MethodPost: {"/livez": 405},
	} {
		for path, want := range paths {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != want {
				t.Errorf("%s %s: %d, want %d", method, path, w.Code, want)
			}
		}
	}
}
