// The receive timeout of protoactor actors, without the race of protoactor's own timer

package host

import (
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// timed is the context that a protoactor actor sees: protoactor's own, but for the
// receive timeout. Protoactor's timer writes the actor's fields from a goroutine of
// its own, while a turn may be reading them: a data race, and a nil timer stopped
// there ends the process. This timer only sends a message; all else happens on the
// key's turn.
type timed struct {
	pactor.Context
	after time.Duration // 0: no timeout is set
	timer *time.Timer   // nil until a timeout is set
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
	switch {
	case d == 0:
		t.stop()
	case t.timer == nil:
		as, self := t.ActorSystem(), t.Self()
		t.timer = time.AfterFunc(d, func() { as.Root.Send(self, &pactor.ReceiveTimeout{}) })
	default:
		t.timer.Reset(d)
	}
}

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
	t.stop()
	inner.Receive(t)
	t.restart()
}

// restart begins the time anew, if there is a timeout.
func (t *timed) restart() {
	if t.after > 0 {
		t.timer.Reset(t.after)
	}
}

// stop keeps the timer from firing until it is set again.
func (t *timed) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// forget drops the timeout: the incarnation is over.
func (t *timed) forget() {
	if t != nil {
		t.SetReceiveTimeout(0)
	}
}
