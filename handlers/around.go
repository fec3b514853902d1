// Around: a func around each message, on its key's turn

package handlers

import (
	"context"

	"github.com/clstr-go/clstr/internal/hosting"
)

// Around is a func around each message of a handler, or of a node. It runs where the
// message is handled: on the key's turn, or on a plain func's goroutine. It calls next
// once, which handles the message, or answers in its place.
//
//	func logged(ctx context.Context, in *handlers.Incoming, next func(context.Context) error) error {
//		err := next(ctx)
//		log.Println(in.Type(), in.Key(), err)
//		return err
//	}
//
// next returns the handler's error, and Around returns the message's: the sender is
// answered when Around has returned. If Around has not called next and its error is, or
// wraps, one of the library's that says that nothing ran (ErrOverloaded,
// [outcome.Overloaded] with a hint), the message is NotStarted, and clients may send it
// again. All other errors are RanAndFailed, among them what another call has failed with. A
// second call of next returns an error and does nothing.
//
// A panic of Around is one of the handler's: the sender gets ErrPanicked, and the key
// starts anew. A panic of the handler passes through Around, which cannot stop it.
//
// The context that next is given is the handler's, also where it is derived from ctx: a
// typed entity sees its values, and its deadline until next returns. A context with a
// cancel or a deadline of its own watches the end of the call, as a handler does that asks
// for Done: if the shard is lost, the call is cut off. next must be called
// on the goroutine of Around, and must have returned before Around returns.
//
// Around does not see messages that no handler begins with: those that are refused, of an
// unknown kind, or of a key that cannot be activated. It sees no hooks.
type Around func(ctx context.Context, in *Incoming, next func(context.Context) error) error

// Chain makes one Around of several. The first is the outermost. Those that are nil are
// left out; without any other, Chain returns nil.
func Chain(around ...Around) Around { return hosting.Chain(around...) }
