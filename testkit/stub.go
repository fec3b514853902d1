// StubClient: the client of an entity that is tested alone

package testkit

import (
	"bytes"
	"context"
	"maps"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// StubClient returns a client without a cluster. It passes each message to answer,
// whatever the message's kind, key or shard. Give it to an entity that asks others, and
// test that entity [Alone] or as the struct that it is.
//
//	accounts := testkit.StubClient(func(_ context.Context, env cluster.Envelope) ([]byte, error) {
//		return json.Marshal(Balance{70})
//	})
//	testkit.Alone(t, orders(accounts).New, "order-1", testkit.AloneOptions{}, ...)
//
// Like any handler, answer gets and returns bytes: protobuf for types that are proto.Message, and otherwise JSON, or
// what env.Codec names. Replies are decoded strictly, as in a [Cluster]. An error of answer
// reaches the caller as a handler's error (cluster.RanAndFailed), as over a transport.
// An error of package cluster itself (ErrTransportNoShardSubscriber, for example, or a
// *cluster.Error) becomes the error of the call, with its own outcome.
//
// answer runs on the caller's goroutine, perhaps concurrently. Its context carries the
// caller's deadline and no values, and answer must return when that context ends.
// StubClient panics if answer is nil. The client may be made outside a synctest bubble
// and used inside.
func StubClient(answer cluster.ServerHandlerFunc) *cluster.Client {
	if answer == nil {
		panic("testkit: StubClient: the handler is nil")
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: stub(answer), NumShards: 1, StrictReplies: true})
	if err != nil {
		panic(err) // the options are ours
	}
	return client
}

// stub is a transport that ends in a func.
type stub cluster.ServerHandlerFunc

var _ transport.ClientTransport = stub(nil)

// Request implements transport.ClientTransport.
func (s stub) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	inTime := ctx
	if env.TTLMs > 0 {
		var cancel context.CancelFunc
		inTime, cancel = context.WithTimeout(ctx, env.TTL())
		defer cancel()
	}
	env.Data, env.Headers = bytes.Clone(env.Data), maps.Clone(env.Headers)
	wait := dispatch.BeginWait(ctx)
	reply, err := s(bare{inTime}, env)
	wait.EndWait(ctx)
	switch {
	case env.Delivery == transport.AwaitNothing:
		return nil, nil
	case env.Delivery == transport.AwaitAccept:
		if e := stubError(err); e != nil && e.Outcome != outcome.RanAndFailed {
			return nil, e
		}
		return nil, nil // accepted; what the handler makes of it stays there
	case ctx.Err() != nil:
		return nil, outcome.ContextError(ctx.Err(), outcome.MaybeRan)
	case inTime.Err() != nil:
		return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "no answer within %v", env.TTL()).WithOutcome(outcome.MaybeRan)
	case err != nil:
		return nil, stubError(err)
	}
	return bytes.Clone(reply), nil
}

// Close implements transport.ClientTransport.
func (stub) Close() error { return nil }

// stubError is what a caller sees of an error that the func has returned.
func stubError(err error) *outcome.Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*outcome.Error); ok {
		return e
	}
	if e := outcome.Errorf(err, "by the test's stub"); e.Code != "internal" { // one of the library's
		return e
	}
	return outcome.HandlerError(err)
}

// bare is a context whose values do not cross, as over a transport.
type bare struct{ context.Context }

// Value implements context.Context.
func (bare) Value(any) any { return nil }
