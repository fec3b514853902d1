// The receive timeout of protoactor actors, without the race of protoactor's own timer

package host

import (
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/expiry"
)

// timed is the context that a protoactor actor sees: protoactor's own, except for the
// receive timeout. Protoactor's timer writes the actor's fields from a goroutine of
// its own, while a turn may be reading them: a data race, and a nil timer stopped
// there ends the process. This timer only sends a message; all else happens on the
// key's turn.
type timed struct {
	pactor.Context
	clock *expiry.Set
	node  expiry.Node
	after time.Duration // 0: no timeout is set
}

func (t *timed) ReceiveTimeout() time.Duration { return t.after }

// SetReceiveTimeout implements protoactor's Context: d without a message sends the
// actor one ReceiveTimeout. Less than a millisecond is none.
func (t *timed) SetReceiveTimeout(d time.Duration) {
	if d < time.Millisecond {
		d = 0
	}
	if d == t.after {
		return
	}
	t.after = d
	t.clock.Remove(&t.node)
	t.restart()
}

// Expire implements [expiry.Expirer].
func (t *timed) Expire() { t.ActorSystem().Root.Send(t.Self(), &pactor.ReceiveTimeout{}) }

func (t *timed) CancelReceiveTimeout() { t.SetReceiveTimeout(0) }

// receive gives the actor a message. The timeout counts from the end of its turn.
func (t *timed) receive(inner Actor) {
	switch t.Message().(type) {
	case *pactor.ReceiveTimeout:
		t.after = 0 // as in protoactor, it comes once for each time it is set
	case pactor.NotInfluenceReceiveTimeout:
		inner.Receive(t)
		return
	}
	t.clock.Remove(&t.node) // until it is set again
	inner.Receive(t)
	t.restart()
}

// restart begins the time anew, if there is a timeout.
func (t *timed) restart() {
	if t.after > 0 {
		t.clock.Add(&t.node, t, expiry.Plus(expiry.Now(), t.after))
	}
}

// forget drops the timeout: the incarnation is over.
func (t *timed) forget() {
	if t != nil {
		t.SetReceiveTimeout(0)
	}
}
