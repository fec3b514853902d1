package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/metrics"
)

// recorder is a ClusterMetrics that remembers what it was told.
type recorder struct {
	mu     sync.Mutex
	events map[string]int
	active int // the last HandlersActive
	most   int // the highest
	keys   int // sum of ActiveKeys
}

var (
	_ cluster.ClusterMetrics = (*recorder)(nil)
	_ cluster.EntityMetrics  = (*recorder)(nil)
)

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = map[string]int{}
	}
	r.events[fmt.Sprintf(format, args...)]++
}

func (r *recorder) count(event string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[event]
}

type recordedTimer func()

func (f recordedTimer) ObserveDuration() { f() }

func (r *recorder) RequestDuration(t string) metrics.Timer {
	return recordedTimer(func() { r.note("request took %s", t) })
}
func (r *recorder) RequestCompleted(t string, ok bool) { r.note("request %s %v", t, ok) }
func (r *recorder) NotifyCompleted(t string, ok bool)  { r.note("notify %s %v", t, ok) }
func (r *recorder) TransportError(t string)            { r.note("transport_error %s", t) }
func (r *recorder) HandlerDuration(t string) metrics.Timer {
	return recordedTimer(func() { r.note("handler took %s", t) })
}
func (r *recorder) HandlerCompleted(t string, ok bool) { r.note("handler %s %v", t, ok) }
func (r *recorder) ShardsOwned(node string, n int)     { r.note("%s owns %d", node, n) }
func (r *recorder) Activated(kind string)              { r.note("activated %s", kind) }
func (r *recorder) ActivationFailed(kind string)       { r.note("activation failed %s", kind) }
func (r *recorder) Passivated(kind string)             { r.note("passivated %s", kind) }
func (r *recorder) MailboxRefused(kind string)         { r.note("mailbox refused %s", kind) }
func (r *recorder) CallRefused(code string)            { r.note("refused %s", code) }
func (r *recorder) NotificationFailed(code string)     { r.note("notification failed %s", code) }
func (r *recorder) KeyReturned(kind string)            { r.note("returned %s", kind) }
func (r *recorder) HandlersActive(node string, active int) {
	r.note("active on %s", node)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active, r.most = active, max(r.most, active)
}
func (r *recorder) ActiveKeys(_ string, delta int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys += delta
}

func TestMetricsAreFed(t *testing.T) {
	var counts recorder
	tr := cluster.CreateInMemoryTransport(t)
	notified := make(chan struct{}, 1)
	stop := startNode(t, cluster.NodeOptions{
		NodeID: "n", Transport: tr, NumShards: 2, Shards: []uint32{0, 1}, Metrics: &counts,
		Kinds: map[string]cluster.ServerHandlerFunc{"k": cluster.NewKeyHandler(func(key string) (cluster.ServerHandlerFunc, error) {
			if key == "bad" {
				return nil, errors.New("cannot load")
			}
			return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
				switch env.Type {
				case "Fail":
					return nil, errors.New("failed")
				case "Touch":
					notified <- struct{}{}
				}
				return nil, nil
			}, nil
		})},
	})
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 2, Metrics: &counts})
	kind := client.Kind("k")
	ctx := t.Context()
	req := func(key string, msg any) error { return errOf(kind.Key(key).Request(ctx, msg)) }
	wantError(t, req("a", named{}), nil, cluster.Succeeded)
	wantError(t, req("b", getUser{}), nil, cluster.Succeeded)
	if err := kind.Key("a").Notify(ctx, renamed("Touch")); err != nil {
		t.Error(err)
	}
	<-notified
	if err := req("a", renamed("Fail")); cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("got %v", err)
	}
	wantError(t, req("bad", named{}), cluster.ErrActivationFailed, cluster.NotStarted)
	wantError(t, errOf(kind.Key("a").Request(ctx, nil)), cluster.ErrEncode, cluster.NotSent)
	wantError(t, client.Kind("x").Key("a").Notify(ctx, touch{}), cluster.ErrUnknownKind, cluster.NotStarted)
	stop()
	wantError(t, req("a", named{}), cluster.ErrTransportNoShardSubscriber, cluster.NotStarted)
	for event, want := range map[string]int{
		"n owns 2": 1, "n owns 0": 2, // at its start too
		"request test.Named true": 1, "request test.Named false": 2, "request took test.Named": 3,
		"request getUser true": 1, "request Fail false": 1, "request took Fail": 1, "request  false": 1,
		"notify Touch true": 1, "notify touch false": 1,
		"handler test.Named true": 1, "handler took test.Named": 1, "handler getUser true": 1,
		"handler Touch true": 1, "handler Fail false": 1, "handler took Fail": 1,
		"transport_error activation_failed": 1, "transport_error encode": 1, "transport_error unknown_kind": 1,
		"transport_error no_subscriber": 1, "transport_error application": 0,
		"activated k": 2, "activation failed k": 1, "refused activation_failed": 1, "refused unknown_kind": 1,
		"active on n": 8,
	} {
		if n := counts.count(event); n != want {
			t.Errorf("%q was told %d times, want %d", event, n, want)
		}
	}
	// A reply may be there before its handler is said to have ended: two at most.
	if counts.active != 0 || counts.most < 1 || counts.most > 2 || counts.keys != 0 {
		t.Errorf("at the end %d handlers (at most %d) and %d keys", counts.active, counts.most, counts.keys)
	}
}

// renamed is a message with any name.
type renamed string

func (r renamed) MessageType() string { return string(r) }

// TestLastWordOnRunningHandlersIsRight: the number is told by many at once.
func TestLastWordOnRunningHandlersIsRight(t *testing.T) {
	var counts recorder
	t.Cleanup(func() { // when the node has ended: a caller has its reply before its call is over
		counts.mu.Lock()
		defer counts.mu.Unlock()
		if counts.active != 0 {
			t.Errorf("%d handlers are said to run", counts.active)
		}
	})
	client := serve(t, echoData, func(n *cluster.NodeOptions, _ *cluster.ClientOptions) { n.Metrics = &counts })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				if _, err := client.RequestShard(t.Context(), 1, "Echo", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
