// Calls that are over, and are used again

package dispatch

// A request is short, and its Call is large. So the memory of a call that is over is used for another call. No code
// may notice, so it happens only if nothing can refer to the call any more:
//
//   - Its sender is in this process, has its answer, and has left ([local.part]). Or its transport keeps nothing of it
//     ([Part]), if its sender is in another process.
//   - The receiver has said that it keeps nothing of the call ([EndLast]). What the receiver gives to user code is
//     something of its own, which turns to [Ended] afterwards.
//   - Nothing else has been given the call: no context that leads to it was asked for it ([CallFrom]), no list of the
//     shard has it, and the clock is neither about to end it nor looks whether the call stands in a circle. Code of the
//     library that borrows the call has given it back, or the receiver does not say EndLast (turn.Gate).
//
// Any other call is left to the garbage collector.

const (
	spentNeeds = bitLast | bitStarted | bitEnded | bitClosed
	spentBars  = bitRefused | bitQueued | bitLate | bitOpen | bitHurried | bitWeighed | bitPassed | bitNested |
		bitPart | bitKept
)

// Spent returns the call's subscription if the call has a reply, and nothing that code could ask it for
// afterwards. Otherwise it returns nil. It is for the receiver, when the handler has returned.
func Spent(c *Call) *Sub {
	if c.bits.Load()&(spentBars|bitClosed) != bitClosed || c.ended != done || c.fn != nil || c.home == nil || len(c.env.Headers) > 0 || c.env.ID != "" {
		return nil
	}
	if c.bits.Load()&bitMore != 0 && c.keeps() {
		return nil
	}
	return c.sub
}

// EndLast is [Call.End] for a receiver that keeps nothing of the call. [Spent] must have said that it may.
func EndLast(c *Call) {
	c.bits.Or(bitLast)
	c.End()
}

// alone has the bits that a notification has while its handler runs, if its sender has left and no code but the handler has got hold of
// the call since. The notification may have the bits of maybeAlone, too.
const (
	alone      = bitStarted | bitReplied | bitLeft
	maybeAlone = bitTaken | bitTold | bitFar | bitByReturn | bitBuffer
)

// IsAlone reports whether the call is a notification that EndAlone may end. The receiver calls it when the handler has returned
// without an error and has not answered.
func IsAlone(c *Call) bool {
	return c.bits.Load()&^maybeAlone == alone && !c.AwaitsReply() && c.fn == nil && c.home != nil && len(c.env.Headers) == 0 && c.env.ID == ""
}

// Past returns the subscription that stands in for a call that EndAlone ends.
func Past(c *Call) *Sub { return c.sub }

// EndAlone is Reply and EndLast in one step, for a notification for which IsAlone has returned true. The receiver keeps nothing of the
// call. If other code has got hold of the call since, EndAlone does nothing and returns false.
func EndAlone(c *Call) bool {
	old := c.bits.Load()
	if old&^maybeAlone != alone || !c.bits.CompareAndSwap(old, old|bitAnswered|bitClosed|bitEnded|bitLast) {
		return false
	}
	c.finish()
	c.replier.(Reuser).Reuse()
	c.home.takeBack(c)
	return true
}

// acceptAndPart is tell and [Part] in one step, for the sender of a notification in this process. If the call has an answer already, or
// is not to be used again, acceptAndPart does nothing and returns false.
func acceptAndPart(c *Call) bool {
	_, ok := c.change(0, bitReplied|spentBars, bitReplied|bitTold|bitLeft)
	return ok
}

// Ended makes a call of the subscription that has ended already. It stands in for one whose memory was used again.
func Ended(s *Sub) *Call {
	c := &Call{}
	c.sub, c.ended = s, done
	if s.standing != nil {
		c.env.Shard = int(s.standing.Shard)
	}
	c.bits.Store(bitStarted | bitEnded | bitAnswered | bitReplied | bitClosed | bitKept)
	return c
}

// Reuser is a [Replier] that is the call itself, which may be used again. Reuse is called when nothing refers to the call any
// more, and makes blank what is beside the Call.
type Reuser interface {
	Replier
	Reuse()
}

// Far returns a call from another process that is over, to be used again. It is nil if there is none: a new one must be given
// to [Dispatcher.Adopt] before its first use.
func (d *Dispatcher) Far() Replier {
	if c := d.far.get(); c != nil {
		return c.replier
	}
	return nil
}

// Adopt takes a new call in, whose [Replier] will be a [Reuser]. When the call is over, [Dispatcher.Far] returns it.
func (d *Dispatcher) Adopt(c *Call) { c.home = &d.far }

// Part is called by the sender of a call, or its transport, when it is done with the call, and by the node. The later of
// the two gives back a call that is spent.
func Part(c *Call) {
	switch old := c.bits.Or(bitLeft); {
	case old&(bitLeft|bitLast) != bitLeft|bitLast:
	case old&(spentNeeds|spentBars) == spentNeeds: // Spent has looked
		c.replier.(Reuser).Reuse()
		c.home.takeBack(c)
	default:
		(*timed)(c).leave()
	}
}
