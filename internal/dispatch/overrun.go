// A handler that goes on after its time is up

package dispatch

import (
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/sparse"
)

// heedTime is how long a handler may go on after its time is up before the log says so. Most handlers watch
// their context, or the calls that they wait for do.
const heedTime = 5 * time.Second

// overrun is a call whose handler ran when its time was up. No goroutine can be ended from outside, so the
// log names the entity, which handles nothing else meanwhile: its callers learn only that their deadlines have passed. The call is
// not used again, because its time was up, and its entry in the clock is free.
type overrun Call

// watchOverrun is called when a call's time is up, and its sender has been told. The clock holds the call only until the handler
// has returned, because there may be very many calls with short deadlines whose handlers heed them.
func watchOverrun(c *Call) {
	if !c.runs() {
		return
	}
	(*timed)(c).clock().Add(&c.node, (*overrun)(c), expiry.Plus(expiry.Now(), heedTime))
	if !c.runs() { // at the same moment
		(*timed)(c).leave()
	}
}

// Expire implements [expiry.Expirer].
func (o *overrun) Expire() {
	if c := (*Call)(o); c.runs() {
		c.sub.life.log.Warn("a handler goes on after its time is up: its entity handles no other message until it returns",
			sparse.Entity(c.env.Kind, c.env.Shard, c.Key()), slog.String("type", c.env.Type), slog.Duration("late", heedTime))
	}
}
