package laws

import (
	"context"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/metrics"
)

// The names that programs written for the reference system know, with their
// types, in the order of its index. The compiler keeps this file: a name that is
// gone or changed does not compile. What clstr adds is not here but in
// testdata/api; where it adds options to a call, a closure shows that the call as
// it was still compiles: NotifyKey, Client.Shard and Request.Request.

// is holds where v has the type T: exactly, as funcs and pointers convert to
// nothing else.
func is[T any](v T) struct{} { return struct{}{} }

// Constants, with their values.
var (
	_ [cluster.DefaultMaxConcurrentHandlers]struct{} = [100]struct{}{}
	_ [cluster.DefaultHandlerTimeout]struct{}        = [30 * time.Second]struct{}{}
	_ [cluster.DefaultHandlerCacheSize]struct{}      = [1024]struct{}{}

	_ = is[map[bool]int](map[bool]int{false: 0, cluster.MsgClusterNodeInfo == "clstr.node.info": 0})
)

// Errors.
var (
	_ = is[*error](&cluster.ErrTransportClosed)
	_ = is[*error](&cluster.ErrTransportNoShardSubscriber)
	_ = is[*error](&cluster.ErrEnvelopeExpired)
	_ = is[*error](&cluster.ErrReservedHeader)
	_ = is[*error](&cluster.ErrHandlerTimeout)
	_ = is[*error](&cluster.ErrKeyRequired)
	_ = is[*error](&cluster.ErrMissingKeyHeader)
)

// Functions.
var (
	_ = is[func(*testing.T, cluster.ServerTransport, int, uint32, string, cluster.ServerHandlerFunc)](cluster.CreateTestCluster)
	_ = is[func(*testing.T) cluster.Transport](cluster.CreateInMemoryTransport)
	_ = is[func(key string, numShards uint32, seed string) uint32](cluster.ShardFromString)
	_ = is[func(nodeID string, nodeIDs []string, numShards uint32, seed string) []uint32](cluster.ShardsForNode)
	_ = is[func(cluster.ClientOptions) (*cluster.Client, error)](cluster.NewClient)
	_ = is[func() cluster.ClusterMetrics](cluster.NopClusterMetrics)
	_ = is[func(key, value string) cluster.EnvelopeOption](cluster.WithHeader)
	_ = is[func(time.Duration) cluster.EnvelopeOption](cluster.WithTTL)
	_ = is[func(...cluster.MemoryTransportOpts) *cluster.MemoryTransport](cluster.NewInMemoryTransport)
	_ = is[func(cluster.NodeOptions) *cluster.Node](cluster.NewNode)
	_ = is[func(cluster.Requester) *cluster.Request[in, out]](cluster.NewRequest[in, out])
	_ = is[func(cluster.ActorFactory) cluster.ServerHandlerFunc](cluster.NewActorHandler)
	_ = is[func(func(string) (cluster.ServerHandlerFunc, error)) cluster.ServerHandlerFunc](cluster.NewKeyHandler)
	_ = is[func(func(string) (cluster.ServerHandlerFunc, error), int) cluster.ServerHandlerFunc](cluster.NewKeyHandlerWithOpts)
	_ = is[func(cluster.ScopedHandlerOpts) cluster.ServerHandlerFunc](cluster.NewScopedHandler)
)

type (
	in  struct{}
	out struct{}
	ctx = context.Context
)

// Func types.
var (
	_ = is[*func(ctx, cluster.Envelope) ([]byte, error)]((*cluster.ServerHandlerFunc)(nil))
	_ = cluster.EnvelopeOption(func(*cluster.Envelope) {})
	_ = cluster.ActorFactory(func(string) (actor.Actor, error) { return nil, nil })
)

// Methods.
var (
	_ = is[func(*cluster.Client, string, ...cluster.EnvelopeOption) *cluster.ScopedClient]((*cluster.Client).Key)
	_ = is[func(*cluster.Client, ctx, uint32, string, []byte, ...cluster.EnvelopeOption) error]((*cluster.Client).NotifyShard)
	_ = is[func(*cluster.Client, ctx, string, string, []byte, ...cluster.EnvelopeOption) ([]byte, error)]((*cluster.Client).RequestKey)
	_ = is[func(*cluster.Client, ctx, uint32, string, []byte, ...cluster.EnvelopeOption) ([]byte, error)]((*cluster.Client).RequestShard)
	_ = func(c *cluster.Client, x ctx, key, msgType string, data []byte) error {
		return c.NotifyKey(x, key, msgType, data)
	}
	_ = func(c *cluster.Client, shard uint32) *cluster.ScopedClient { return c.Shard(shard) }

	_ = is[func(cluster.Envelope) bool](cluster.Envelope.Expired)
	_ = is[func(cluster.Envelope, string) (string, bool)](cluster.Envelope.GetHeader)
	_ = is[func(cluster.Envelope) time.Duration](cluster.Envelope.TTL)
	_ = is[func(cluster.Envelope) error](cluster.Envelope.Validate)

	_ = is[func(*cluster.MemoryTransport) error]((*cluster.MemoryTransport).Close)
	_ = is[func(*cluster.MemoryTransport, ctx, cluster.Envelope) ([]byte, error)]((*cluster.MemoryTransport).Request)
	_ = is[func(*cluster.MemoryTransport, ctx, uint32, func(ctx, cluster.Envelope) ([]byte, error)) (cluster.Subscription, error)]((*cluster.MemoryTransport).SubscribeShard)
	_ = is[func(*cluster.MemoryTransport, *slog.Logger) *cluster.MemoryTransport]((*cluster.MemoryTransport).WithLog)

	_ = is[func(*cluster.Node, ctx) error]((*cluster.Node).Run)

	_ = func(r *cluster.Request[in, out], x ctx, payload in) (*out, error) { return r.Request(x, payload) }

	_ = is[func(*cluster.ScopedClient, ctx) (*cluster.GetNodeInfoResponse, error)]((*cluster.ScopedClient).GetNodeInfo)
	_ = is[func(*cluster.ScopedClient, ctx, any, ...cluster.EnvelopeOption) error]((*cluster.ScopedClient).Notify)
	_ = is[func(*cluster.ScopedClient, ctx, any, ...cluster.EnvelopeOption) ([]byte, error)]((*cluster.ScopedClient).Request)
	_ = is[cluster.Requester]((*cluster.ScopedClient)(nil))
)

// Interfaces have these methods and no other: each is assigned to a twin and
// back, so that what implements the one implements the other.
type (
	clientTransport interface {
		Request(ctx, cluster.Envelope) ([]byte, error)
		Close() error
	}
	serverTransport interface {
		SubscribeShard(ctx, uint32, cluster.ServerHandlerFunc) (cluster.Subscription, error)
		Close() error
	}
	bothTransports interface {
		clientTransport
		serverTransport
	}
	subscription   interface{ Unsubscribe() error }
	clusterMetrics interface {
		RequestDuration(msgType string) metrics.Timer
		RequestCompleted(msgType string, success bool)
		NotifyCompleted(msgType string, success bool)
		TransportError(errorType string)
		HandlerDuration(msgType string) metrics.Timer
		HandlerCompleted(msgType string, success bool)
		HandlersActive(nodeID string, count int)
		ShardsOwned(nodeID string, count int)
	}
	timer interface{ ObserveDuration() }
)

var (
	_ clientTransport         = cluster.ClientTransport(nil)
	_ cluster.ClientTransport = clientTransport(nil)
	_ serverTransport         = cluster.ServerTransport(nil)
	_ cluster.ServerTransport = serverTransport(nil)
	_ bothTransports          = cluster.Transport(nil)
	_ cluster.Transport       = bothTransports(nil)
	_ subscription            = cluster.Subscription(nil)
	_ cluster.Subscription    = subscription(nil)
	_ clusterMetrics          = cluster.ClusterMetrics(nil)
	_ cluster.ClusterMetrics  = clusterMetrics(nil)
	_ timer                   = metrics.Timer(nil)
	_ metrics.Timer           = timer(nil)

	_ cluster.Transport = (*cluster.MemoryTransport)(nil)
)

// Structs have these fields, with these tags.
type (
	envelope struct {
		Shard       int               `json:"shard"`
		Type        string            `json:"type"`
		Data        []byte            `json:"data"`
		ReplyTo     string            `json:"reply_to,omitempty"`
		Headers     map[string]string `json:"headers,omitempty"`
		TTLMs       int64             `json:"ttl_ms,omitempty"`
		CreatedAtMs int64             `json:"created_at_ms,omitempty"`
	}
	clientOptions struct {
		Transport       cluster.ClientTransport
		NumShards       uint32
		Seed            string
		EnvelopeOptions []cluster.EnvelopeOption
		Metrics         cluster.ClusterMetrics
	}
	memoryTransportOpts struct {
		MaxConcurrentHandlers int
		HandlerTimeout        time.Duration
	}
	nodeOptions struct {
		Log       *slog.Logger
		NodeID    string
		Transport cluster.ServerTransport
		Shards    []uint32
		Handler   cluster.ServerHandlerFunc
		Metrics   cluster.ClusterMetrics
	}
	scopedHandlerOpts struct {
		Extract   func(cluster.Envelope) (string, error)
		Create    func(string) (cluster.ServerHandlerFunc, error)
		CacheSize int
	}
	nodeInfo struct {
		NodeID string   `json:"node_id"`
		Shards []uint32 `json:"shards"`
	}
)

func TestReferenceFields(t *testing.T) {
	for _, c := range []struct{ want, got reflect.Type }{
		{reflect.TypeFor[envelope](), reflect.TypeFor[cluster.Envelope]()},
		{reflect.TypeFor[clientOptions](), reflect.TypeFor[cluster.ClientOptions]()},
		{reflect.TypeFor[memoryTransportOpts](), reflect.TypeFor[cluster.MemoryTransportOpts]()},
		{reflect.TypeFor[nodeOptions](), reflect.TypeFor[cluster.NodeOptions]()},
		{reflect.TypeFor[scopedHandlerOpts](), reflect.TypeFor[cluster.ScopedHandlerOpts]()},
		{reflect.TypeFor[in](), reflect.TypeFor[cluster.GetNodeInfoRequest]()},
		{reflect.TypeFor[nodeInfo](), reflect.TypeFor[cluster.GetNodeInfoResponse]()},
	} {
		for want := range c.want.Fields() {
			got, ok := c.got.FieldByName(want.Name)
			if !ok || got.Type != want.Type || got.Tag != want.Tag {
				t.Errorf("%v.%s is %v `%s` (there: %t), not %v `%s`", c.got, want.Name, got.Type, got.Tag, ok, want.Type, want.Tag)
			}
		}
	}
}
