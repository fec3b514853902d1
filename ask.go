// Ask, Tell, TellAsync, Watch, and how callers name a key

package clstr

import (
	"context"
	"iter"
	"reflect"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
)

// Ask sends a request to a key and returns the reply, or the error that the method has
// returned: errors.Is and errors.As find it if its code is registered
// ([cluster.RegisterError]). [cluster.OutcomeOf] says of any error whether the method ran.
// Out is the reply's type; for a protobuf message it is a pointer. Options hold for this
// call alone: [cluster.WithTTL], [cluster.WithHeader]. With [cluster.WithID] or [cluster.Once] a
// durable entity carries the message out once. The client then also repeats a call that may have
// run.
func Ask[Out any](ctx context.Context, to *cluster.ScopedClient, msg any, opts ...cluster.EnvelopeOption) (Out, error) {
	out, err := cluster.NewRequest[any, Out](to).Request(ctx, msg, opts...)
	if err != nil {
		var zero Out
		return zero, err
	}
	return plain.Taken(codec.Spare(reflect.TypeFor[Out]()), out), nil
}

// Tell sends a notification to a key. It returns when the key's process has accepted it,
// and never waits for the method; with [cluster.WithoutAck] it does not wait at all. The
// sender is not told if an accepted notification fails later.
func Tell(ctx context.Context, to *cluster.ScopedClient, msg any, opts ...cluster.EnvelopeOption) error {
	return to.Notify(ctx, msg, opts...)
}

// TellAsync is [Tell] for a sender that does not wait: it returns at once. The receipt tells when the
// key's process has accepted the notification, or why it has not. What one sender sends to one key
// still comes in order. TellAsync waits only for room, until ctx ends: at most 4,096 notifications of
// the service are on their way ([cluster.ClientOptions].NotifyWindow), and 1,024 to one key. A sender that is quicker than the key
// is slowed, but not in a handler: there the receipt says [cluster.ErrOverloaded].
func TellAsync(ctx context.Context, to *cluster.ScopedClient, msg any, opts ...cluster.EnvelopeOption) *cluster.Receipt {
	return to.NotifyAsync(ctx, msg, opts...)
}

// Watch yields the state of a key of a durable kind: first the state that is stored now, then each
// newer one, until ctx ends or the loop is left. States never go back, and the newest always
// comes in the end. [cluster.Watch] says what else it promises.
//
//	for change, err := range clstr.Watch[Account](ctx, svc.Key(accounts, "acc-1")) {
//		if err == nil {
//			show(change.State)
//		}
//	}
func Watch[T any](ctx context.Context, key *cluster.ScopedClient) iter.Seq2[cluster.Change[T], error] {
	return cluster.Watch[T](ctx, key)
}

// Key addresses a key of a kind that is known by its definition.
func (s *Service) Key(of interface{ Kind() string }, key string, opts ...cluster.EnvelopeOption) *cluster.ScopedClient {
	return s.Kind(of.Kind()).Key(key, opts...)
}

// Kind addresses the keys of a kind by its name, for callers that do not have the
// definition: svc.Kind("account").Key("acc-1").
func (s *Service) Kind(name string) *cluster.KindClient {
	if s == nil {
		panic("clstr: the service is nil: From returns nil for a context that is not an entity's, and in a node that was made without WithClient")
	}
	return s.client.Kind(name)
}
