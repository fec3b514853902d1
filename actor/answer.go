// OnRequestLater and the answers that an entity owes

package actor

import (
	"reflect"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/host"
)

// OnRequestLater lets the entity answer requests of type In later, from a later turn or
// from a goroutine. The method may answer at once, or keep the [Answer] and return nil. If
// the method returns an error, that is the answer. The key stays active while it owes an
// answer, until the caller's deadline or the node's handler timeout. If the entity panics,
// passivates itself or is stopped by its process id meanwhile, the caller is told at once
// that the request may have run.
//
// In a planned move an open answer holds the shard up, and the message that would complete
// it is refused meanwhile. So the entity hears of the move ([OnDrain]). Declare a request
// that has had no effect so far with [Answer.NoEffect]: it goes to the next owner, and its
// caller sees a pause.
func OnRequestLater[E, In, Out any](method func(*E, *Context, In, Answer[Out]) error) Option {
	return func(t *table) {
		mustTravel[Out]()
		on(t, reflect.TypeFor[Out](), func(e *E, c *host.Context, in In) {
			if err := method(e, (*Context)(c), in, Answer[Out]{(*Context)(c)}); err != nil {
				c.Fail(err)
			}
		})
	}
}

// Answer is the open reply to a request. It may be kept, compared and used from any
// goroutine. The first call of Reply or Fail decides. A later call does nothing, and
// neither does one after the caller's deadline.
type Answer[Out any] struct{ c *Context }

// Reply answers the request.
func (a Answer[Out]) Reply(out Out) {
	respond(a.c.in(), a.c.in().Call(), codec.Plain(reflect.TypeFor[Out]()), out)
}

// Fail answers the request with an error, as if the method had returned it. What a durable
// entity has changed for the request on an earlier turn stays.
func (a Answer[Out]) Fail(err error) { a.c.in().Fail(err) }

// Context returns the request's context. The context's Done closes when the request has
// been answered, has gone back, or is out of time. Then the entity can forget the answer.
func (a Answer[Out]) Context() *Context { return a.c }

// NoEffect declares that the request has changed nothing at the entity so far, as in a long
// poll. In a planned move the request then goes back, and its caller asks the next owner,
// inside its deadline. The request runs there from the beginning. It must carry what its
// caller has seen, a version for example. Otherwise the caller misses what happens
// meanwhile.
func (a Answer[Out]) NoEffect() { a.c.in().Call().NoEffect(true) }

// HasEffect takes NoEffect back. Call it before the entity changes anything for the
// request. It returns false if the request has ended or gone to another owner: then the
// entity must change nothing for it.
func (a Answer[Out]) HasEffect() (open bool) { return a.c.in().Call().NoEffect(false) }
