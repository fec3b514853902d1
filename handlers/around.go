// Around: a func around each message, on its key's turn

package handlers

import (
	"context"

	"github.com/clstr-go/clstr/internal/hosting"
)

// Around is a func around each message of a handler, or of a node. It runs where the
// message is handled: on the key's turn, or on a plain func's goroutine. It either calls
// next, once, to have the message handled, or answers in its place.
//
//	func logged(ctx context.Context, in *handlers.Incoming, next func(context.Context) error) error {
//		err := next(ctx)
//		log.Println(in.Type(), in.Key(), err)
//		return err
//	}
//
// next returns the handler's error. The sender gets the error that Around returns, and gets its
// answer when Around has returned. If Around has not called next, it may refuse the message: it
// returns or wraps an error of the library that says that nothing ran (ErrOverloaded,
// [outcome.Overloaded] with a hint). The message is then NotStarted, and clients may send it
// again. All other errors are RanAndFailed, including the error of another call that has
// failed. A second call of next returns an error and does nothing.
//
// A panic of Around counts as the handler's: the sender gets ErrPanicked, and the key
// starts anew. A panic of the handler passes through Around, which cannot stop it.
//
// The context that Around passes to next, ctx or one derived from it, is the handler's. A
// typed entity sees that context's values, and its deadline until next returns. A context
// with a cancel or a deadline of its own watches the end of the call, like a handler that
// asks for Done: if the shard is lost, the call is cut off. next must be called on the
// goroutine of Around, and must have returned before Around returns.
//
// Around does not see messages that reach no handler: those that are refused, of an unknown
// kind, or of a key that cannot be activated. It does not see hooks either.
type Around func(ctx context.Context, in *Incoming, next func(context.Context) error) error

// Chain makes one Around of several. The first is the outermost. Nil ones are left out. If
// no other is left, Chain returns nil.
func Chain(around ...Around) Around { return hosting.Chain(around...) }
