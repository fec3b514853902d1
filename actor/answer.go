// OnRequestLater and the answers that an entity owes

package actor

import "github.com/clstr-go/clstr/internal/host"

// OnRequestLater lets the entity answer requests of type In later: from a later turn,
// or from a goroutine. The method may answer at once, or keep the [Answer] and return
// nil. An error of its is the answer. The key stays active while it owes an answer,
// until the caller's deadline or the node's handler timeout at the latest. If the entity
// panics, passivates itself or is stopped by its process id meanwhile, the caller is told
// at once that the request may have run.
//
// In a planned move an answer that is owed holds the shard up, and the message that
// would cause it is refused meanwhile. So the entity hears of the move ([OnDrain]), and
// a request that has had no effect so far should say so ([Answer.NoEffect]): it goes to
// the next owner, and its caller sees a pause.
func OnRequestLater[E, In, Out any](method func(*E, *Context, In, Answer[Out]) error) Option {
	return func(t *table) {
		mustTravel[Out]()
		on(t, func(e *E, c *host.Context, in In) {
			if err := method(e, (*Context)(c), in, Answer[Out]{(*Context)(c)}); err != nil {
				c.Fail(err)
			}
		})
	}
}

// Answer is the reply that a request is owed. It may be kept, compared and used from
// any goroutine. The first of Reply and Fail decides; what comes later, or after the
// caller's time is up, does nothing.
type Answer[Out any] struct{ c *Context }

// Reply answers the request.
func (a Answer[Out]) Reply(out Out) { a.c.in().Respond(out) }

// Fail answers the request with an error, as a method does that returns it.
func (a Answer[Out]) Fail(err error) { a.c.in().Fail(err) }

// Context returns the request's context. Its Done closes when the request was answered,
// has gone back, or is out of time: then the entity can forget the answer.
func (a Answer[Out]) Context() *Context { return a.c }

// NoEffect declares that the request has left nothing at the entity so far but the answer
// that is owed, as in a long poll. In a planned move the request then goes back,
// and its caller asks the next owner, inside its deadline. The request runs there from
// the beginning: it must carry what its caller has seen, a version for example, or the
// caller misses what happens meanwhile.
func (a Answer[Out]) NoEffect() { a.c.in().Call().NoEffect(true) }

// HasEffect takes NoEffect back, before the entity does anything for the request that
// remains. It returns false if the request has ended, and has perhaps gone to another
// owner: then nothing may be done for it.
func (a Answer[Out]) HasEffect() (open bool) { return a.c.in().Call().NoEffect(false) }
