// Names that live elsewhere, in the order of a request's path

package cluster

import (
	"time"

	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// This file is the package's table of contents, in the order of a request's
// path. Types are aliases, errors the same values, functions forward; [Client],
// [Node] and [Request] are the code of this package.

// The envelope of a message. See package transport.
type (
	// Envelope is a message with its routing and metadata. [transport.Envelope] has its fields.
	Envelope = transport.Envelope
	// EnvelopeOption configures an envelope before it is sent: a [transport.EnvelopeOption], as
	// [WithTTL] returns.
	EnvelopeOption = transport.EnvelopeOption
)

// WithHeader adds a header to the envelope; "x-clstr-" names are reserved.
func WithHeader(key, value string) EnvelopeOption { return transport.WithHeader(key, value) }

// WithTTL bounds the time until the handler must have started.
func WithTTL(ttl time.Duration) EnvelopeOption { return transport.WithTTL(ttl) }

// WithoutAck makes a notification return as soon as the transport has taken it.
func WithoutAck() EnvelopeOption { return transport.WithoutAck() }

// WithID gives a message an ID: a key with durable state carries out the messages with one ID only
// once, however often they are sent.
func WithID(id string) EnvelopeOption { return transport.WithID(id) }

// Once is [WithID] with an ID that no other call has: the client's own tries are safe.
func Once() EnvelopeOption { return transport.Once() }

// ShardFromString maps a key to a shard. See package sharding.
func ShardFromString(key string, numShards uint32, seed string) uint32 {
	return sharding.ShardFromString(key, numShards, seed)
}

// ShardsForNode lists the shards that a node should own.
func ShardsForNode(nodeID string, nodeIDs []string, numShards uint32, seed string) []uint32 {
	return sharding.ShardsForNode(nodeID, nodeIDs, numShards, seed)
}

// The contract of transports. See package transport.
type (
	// Transport carries calls, and is both ends of them. [transport.Transport] is the contract.
	Transport = transport.Transport
	// ClientTransport is the end that sends. [transport.ClientTransport] is the contract.
	ClientTransport = transport.ClientTransport
	// ServerTransport is the end that receives. [transport.ServerTransport] is the contract.
	ServerTransport = transport.ServerTransport
	// Subscription is a node's subscription to a shard. [transport.Subscription] is the
	// contract.
	Subscription = transport.Subscription
	// DrainCounts is what a shard's move has cost callers. [outcome.DrainCounts] has its fields.
	DrainCounts = outcome.DrainCounts
	// ServerHandlerFunc handles the messages of shards: a [transport.HandlerFunc].
	ServerHandlerFunc = transport.HandlerFunc
)

// The in-process transport. See package memtransport.
type (
	// MemoryTransport connects clients and nodes of one process. [memtransport.Transport] has its
	// methods.
	MemoryTransport = memtransport.Transport
	// MemoryTransportOpts configures a MemoryTransport. [memtransport.Options] has its fields.
	MemoryTransportOpts = memtransport.Options
)

// NewInMemoryTransport makes an in-process transport. It panics on an option
// out of range.
func NewInMemoryTransport(opts ...MemoryTransportOpts) *MemoryTransport {
	var o MemoryTransportOpts
	if len(opts) > 0 {
		o = opts[0]
	}
	return memtransport.New(o)
}

// Defaults of transports and handlers.
const (
	DefaultMaxConcurrentHandlers = dispatch.DefaultMaxConcurrentHandlers
	DefaultHandlerTimeout        = dispatch.DefaultHandlerTimeout
	DefaultRequestTimeout        = dispatch.DefaultRequestTimeout
	DefaultHandlerCacheSize      = host.DefaultCacheSize
)

// Handlers that host an actor per key. See package handlers.
type (
	// ActorFactory makes the actor of a key. [handlers.ActorFactory] says when, and what its error does.
	ActorFactory = handlers.ActorFactory
	// ScopedHandlerOpts configures [NewScopedHandler]. [handlers.ScopedOptions] has its fields.
	ScopedHandlerOpts = handlers.ScopedOptions
	// HandlerOptions bounds what a handler hosts. [handlers.Options] has its fields.
	HandlerOptions = handlers.Options
	// Around is a func around each message, on its key's turn. [handlers.Around] is the contract.
	Around = handlers.Around
	// Incoming is a message as an Around sees it. [handlers.Incoming] has its methods.
	Incoming = handlers.Incoming
)

// Chain makes one Around of several; the first is the outermost.
func Chain(around ...Around) Around { return handlers.Chain(around...) }

// NewKeyHandler hosts a handler func per key.
func NewKeyHandler(createFunc func(key string) (ServerHandlerFunc, error)) ServerHandlerFunc {
	return handlers.NewKeyHandler(createFunc)
}

// NewKeyHandlerWithOpts is NewKeyHandler for another number of active keys.
func NewKeyHandlerWithOpts(createFunc func(key string) (ServerHandlerFunc, error), cacheSize int) ServerHandlerFunc {
	return handlers.NewKeyHandlerWithOpts(createFunc, cacheSize)
}

// NewScopedHandler hosts a handler func per key found in the envelope.
func NewScopedHandler(opts ScopedHandlerOpts) ServerHandlerFunc {
	return handlers.NewScopedHandler(opts)
}

// NewActorHandler hosts an actor per key.
func NewActorHandler(actFactory ActorFactory) ServerHandlerFunc {
	return handlers.NewActorHandler(actFactory)
}

// NewActorHandlerWithOpts is NewActorHandler with bounds.
func NewActorHandlerWithOpts(actFactory ActorFactory, opts HandlerOptions) ServerHandlerFunc {
	return handlers.NewActorHandlerWithOpts(actFactory, opts)
}
