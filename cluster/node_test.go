package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

func TestBadOptions(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	node := func(change func(*cluster.NodeOptions)) error {
		opts := cluster.NodeOptions{NodeID: "n", Transport: tr, Shards: []uint32{0, 1}, Handler: echoData, Log: quiet}
		change(&opts)
		return cluster.NewNode(opts).Run(t.Context())
	}
	client := func(change func(*cluster.ClientOptions)) error {
		opts := cluster.ClientOptions{Transport: tr, NumShards: 8}
		change(&opts)
		_, err := cluster.NewClient(opts)
		return err
	}
	nobody := func(r cluster.Requester) error {
		_, err := cluster.NewRequest[getUser, userResponse](r).Request(t.Context(), getUser{"7"})
		return err
	}
	type no = cluster.NodeOptions
	type co = cluster.ClientOptions
	kinds := func(name string, h cluster.ServerHandlerFunc) map[string]cluster.ServerHandlerFunc {
		return map[string]cluster.ServerHandlerFunc{name: h}
	}
	for _, c := range []struct {
		name  string
		err   error
		is    error
		words []string // what the message names, and what is allowed
	}{
		{"node transport", node(func(o *no) { o.Transport = nil }), cluster.ErrBadOption, []string{"Transport", "required"}},
		{"node nil transport", node(func(o *no) { o.Transport = (*memtransport.Transport)(nil) }), cluster.ErrBadOption, []string{"Transport", "required"}},
		{"client nil transport", client(func(o *co) { o.Transport = (*memtransport.Transport)(nil) }), cluster.ErrBadOption, []string{"Transport", "required"}},
		{"node nil membership", node(func(o *no) { o.Membership = (*memstore.Store)(nil) }), cluster.ErrBadOption, []string{"Membership", "*memstore.Store"}},
		{"node zone", node(func(o *no) { o.Zone = "z" }), cluster.ErrBadOption, []string{"Zone", "Membership"}},
		{"node version", node(func(o *no) { o.Version = "v1" }), cluster.ErrBadOption, []string{"Version", "Membership"}},
		{"node drain timeout", node(func(o *no) { o.DrainTimeout = time.Second }), cluster.ErrBadOption, []string{"DrainTimeout", "Membership"}},
		{"no requester", nobody(nil), cluster.ErrBadOption, []string{"getUser", "nil Requester"}},
		{"nil requester", nobody((*cluster.ScopedClient)(nil)), cluster.ErrBadOption, []string{"getUser", "nil Requester"}},
		{"node handler", node(func(o *no) { o.Handler = nil }), cluster.ErrBadOption, []string{"Handler", "Kinds", "required"}},
		{"node shard", node(func(o *no) { o.Shards, o.NumShards = []uint32{0, 8}, 8 }), cluster.ErrShardOutOfRange, []string{"shard 8", "0 to 7"}},
		{"node shard, count unknown", node(func(o *no) { o.Shards = []uint32{1 << 20} }), cluster.ErrShardOutOfRange, []string{"shard 1048576", "0 to 1048575"}},
		{"node shard twice", node(func(o *no) { o.Shards = []uint32{3, 1, 3} }), cluster.ErrBadOption, []string{"shard 3", "twice"}},
		{"node shard count", node(func(o *no) { o.NumShards = 1<<20 + 1 }), cluster.ErrBadOption, []string{"NumShards", "1048577", "1 to 1048576"}},
		{"node seed", node(func(o *no) { o.Seed = "prod" }), cluster.ErrBadOption, []string{"node n", `Seed "prod"`, "NumShards"}},
		{"node dotted name", node(func(o *no) { o.NodeID = "node.1" }), cluster.ErrBadOption, []string{"NodeID", `"node.1"`, "letters, digits, - and _"}},
		{"node name with a space", node(func(o *no) { o.NodeID = "node 1" }), cluster.ErrBadOption, []string{`bad option: NodeID "node 1": 1 to 255 letters, digits, - and _`}},
		{"node stop timeout", node(func(o *no) { o.StopTimeout = -time.Second }), cluster.ErrBadOption, []string{"StopTimeout", "-1s", "0 (default)"}},
		{"node in flight", node(func(o *no) { o.MaxInFlight = -2 }), cluster.ErrBadOption, []string{"MaxInFlight", "-2", "0 (default)"}},
		{"kind without name", node(func(o *no) { o.Kinds = kinds("", echoData) }), cluster.ErrBadOption, []string{`kind ""`, "name"}},
		{"kind without handler", node(func(o *no) { o.Kinds = kinds("account", nil) }), cluster.ErrBadOption, []string{`kind "account"`, "handler"}},
		{"client transport", client(func(o *co) { o.Transport = nil }), cluster.ErrBadOption, []string{"Transport", "required"}},
		{"client shards", client(func(o *co) { o.NumShards, o.Seed = 0, "prod" }), cluster.ErrBadOption, []string{"NumShards", "both"}},
		{"client shard count", client(func(o *co) { o.NumShards = 1<<20 + 1 }), cluster.ErrBadOption, []string{"NumShards", "1048577", "1 to 1048576"}},
		{"client option", client(func(o *co) { o.EnvelopeOptions = []cluster.EnvelopeOption{nil} }), cluster.ErrBadOption, []string{"EnvelopeOptions[0]"}},
		{"client retry", client(func(o *co) { o.RetryOn = []error{cluster.ErrOverloaded, nil} }), cluster.ErrBadOption, []string{"RetryOn[1]"}},
	} {
		if !errors.Is(c.err, c.is) || cluster.OutcomeOf(c.err) != cluster.NotSent {
			t.Errorf("%s: got %v, want %v", c.name, c.err, c.is)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(c.err.Error(), w) {
				t.Errorf("%s: %q does not say %q", c.name, c.err, w)
			}
		}
	}
}

func TestRunBlocksUntilAllHasEnded(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	started, release := make(chan struct{}), make(chan struct{})
	start := sync.OnceFunc(func() { close(started) })
	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, Shards: []uint32{0}, Log: quiet,
		Handler: func(context.Context, cluster.Envelope) ([]byte, error) {
			start()
			<-release
			return []byte("done"), nil
		}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends with cancel
	<-node.Ready()
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
	type answer struct {
		data []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() { // ends with the reply
		data, err := client.RequestShard(t.Context(), 0, "Get", nil)
		answered <- answer{data, err}
	}()
	<-started
	cancel()
	// The node refuses from some moment on, and still does not return.
	for {
		soon, giveUp := context.WithTimeout(t.Context(), 10*time.Millisecond)
		err := client.NotifyShard(soon, 0, "Get", nil) // tries again while it may
		giveUp()
		if errors.Is(err, cluster.ErrTransportNoShardSubscriber) || errors.Is(err, cluster.ErrDraining) {
			break
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("Run returned %v while a handler runs", err)
	default:
	}
	close(release)
	if a := <-answered; a.err != nil || string(a.data) != "done" {
		t.Errorf("the handler that ran was answered with %q, %v", a.data, a.err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
	if err := node.Run(t.Context()); !errors.Is(err, cluster.ErrBadOption) || !strings.Contains(err.Error(), "has run before") {
		t.Errorf("the second Run returned %v", err)
	}
}

func TestRunReturnsAFailedSubscription(t *testing.T) {
	tr := cluster.NewInMemoryTransport()
	_ = tr.Close()
	node := cluster.NewNode(cluster.NodeOptions{NodeID: "n", Transport: tr, Shards: []uint32{0}, Handler: echoData, Log: quiet})
	err := node.Run(t.Context())
	if !errors.Is(err, cluster.ErrTransportClosed) || !strings.Contains(err.Error(), "node n subscribes") {
		t.Errorf("got %v, want ErrTransportClosed and what was done", err)
	}
	select {
	case <-node.Ready():
		t.Error("the node says that it is ready")
	default:
	}
}

func TestRunWithAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	node := cluster.NewNode(cluster.NodeOptions{Transport: cluster.CreateInMemoryTransport(t), Shards: []uint32{0}, Handler: echoData, Log: quiet})
	if err := node.Run(ctx); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestNodeID(t *testing.T) {
	if id := cluster.NewNode(cluster.NodeOptions{NodeID: "mine"}).ID(); id != "mine" {
		t.Errorf("ID is %q", id)
	}
	a, b := cluster.NewNode(cluster.NodeOptions{}).ID(), cluster.NewNode(cluster.NodeOptions{}).ID()
	if !regexp.MustCompile(`^node-[0-9A-Za-z]{6}$`).MatchString(a) || a == b {
		t.Errorf("generated %q and %q, want two of node- and six characters", a, b)
	}
}

// TestOptionsAreCopied: a caller may reuse its slices and maps.
func TestOptionsAreCopied(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	shards := []uint32{0, 1}
	kinds := map[string]cluster.ServerHandlerFunc{"kind": headerOf}
	opts := cluster.NodeOptions{NodeID: "n", Transport: tr, Shards: shards, Handler: headerOf, Kinds: kinds, Log: quiet}
	node := cluster.NewNode(opts)
	shards[0] = 7
	delete(kinds, "kind")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends with cancel
	<-node.Ready()
	options := []cluster.EnvelopeOption{cluster.WithHeader("a", "1")}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 2, EnvelopeOptions: options})
	scopedOptions := []cluster.EnvelopeOption{cluster.WithHeader("b", "1")}
	scoped := client.Shard(0, scopedOptions...)
	options[0], scopedOptions[0] = cluster.WithHeader("a", "2"), cluster.WithHeader("b", "2")
	for _, h := range []header{"a", "b"} {
		if got, err := scoped.Request(t.Context(), h); err != nil || string(got) != "1" {
			t.Errorf("header %s: got %q, %v", h, got, err)
		}
	}
	if _, err := client.Kind("kind").Key("k").Request(t.Context(), header("a")); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestGetNodeInfo(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	ids := []string{"node-0", "node-1", "node-2"}
	cluster.CreateTestCluster(t, tr, 3, 64, "seed", cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
		t.Error("a key was activated")
		return echoData, nil
	}))
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 64, Seed: "seed"})
	owners := map[uint32]string{}
	for _, id := range ids {
		for _, s := range cluster.ShardsForNode(id, ids, 64, "seed") {
			owners[s] = id
		}
	}
	check := func(c *cluster.ScopedClient, shard uint32) {
		t.Helper()
		info, err := c.GetNodeInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.NodeID != owners[shard] || !slices.Equal(info.Shards, cluster.ShardsForNode(info.NodeID, ids, 64, "seed")) {
			t.Errorf("shard %d: got %+v, want %s", shard, info, owners[shard])
		}
	}
	for shard := range uint32(64) {
		check(client.Shard(shard), shard)
	}
	for _, key := range []string{"a", "user-123", "\x00\xff"} {
		check(client.Key(key), cluster.ShardFromString(key, 64, "seed"))
	}
	_, err := client.Shard(64).GetNodeInfo(t.Context())
	wantError(t, err, cluster.ErrShardOutOfRange, cluster.NotSent)
}

// TestNodeWithoutShardsWarns: a node whose ID is mistyped serves nothing, which
// must not look like a node that is ready.
func TestNodeWithoutShardsWarns(t *testing.T) {
	for id, want := range map[string]string{"node-1": "level=INFO", "nod-1": "level=WARN"} {
		var log bytes.Buffer
		startNode(t, cluster.NodeOptions{
			NodeID: id, Transport: cluster.CreateInMemoryTransport(t), Handler: echoData,
			Shards: cluster.ShardsForNode(id, []string{"node-1"}, 2, ""),
			Log:    slog.New(slog.NewTextHandler(&log, nil)),
		})()
		first, _, _ := strings.Cut(log.String(), "\n")
		if !strings.Contains(first, want) || !strings.Contains(first, "node="+id) {
			t.Errorf("%s: logged %q, want %s and the ID", id, first, want)
		}
	}
}

// TestMoreNodesThanShards: a node that owns nothing runs, and is told to end.
func TestMoreNodesThanShards(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	cluster.CreateTestCluster(t, tr, 5, 2, "", echoData)
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 2})
	for shard := range uint32(2) {
		if _, err := client.RequestShard(t.Context(), shard, "Get", nil); err != nil {
			t.Error(err)
		}
	}
}

// breakable is a transport that may end by itself.
type breakable struct {
	*memtransport.Transport
	broken chan struct{}
}

var _ transport.ConnectionTransport = breakable{}

func (b breakable) Broken() <-chan struct{} { return b.broken }
func (b breakable) Connected() bool         { return true }

// TestNodeEndsWithItsTransport: one that serves nothing any more must not look
// alive.
func TestNodeEndsWithItsTransport(t *testing.T) {
	tr := breakable{memtransport.New(memtransport.Options{}), make(chan struct{})}
	defer tr.Close()
	handler := func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }
	for name, opts := range map[string]cluster.NodeOptions{
		"fixed":  {Shards: []uint32{0}},
		"living": {Membership: memstore.New(), NumShards: 1},
	} {
		tr.broken = make(chan struct{})
		opts.Transport, opts.Handler, opts.Log = tr, handler, slog.New(slog.DiscardHandler)
		node := cluster.NewNode(opts)
		ended := make(chan error, 1)
		go func() { ended <- node.Run(context.Background()) }() // ends with the transport
		<-node.Ready()
		close(tr.broken)
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
