// Calls to an owner whose shard has a newer owner

package natstransport

import (
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"
)

// succession is how long calls wait for the answers of an owner whose shard has a newer owner. An
// owner that has handed its shard over has answered all calls before the next owner is announced,
// so its answers are on their way. A dead owner never answers.
const succession = 2 * time.Second

// succeed tells the callers that still wait for an old owner, after a while: the calls that it has
// taken from them may have run.
func (t *Transport) succeed(old *shardBox) { t.abandonIn(t.succession, old) }

func (t *Transport) abandonIn(d time.Duration, old *shardBox) {
	t.clock.Add(&old.gone, old, expiry.Now()+int64(d))
}

// Expire implements [expiry.Expirer].
func (b *shardBox) Expire() { b.t.abandon(b) }

func (t *Transport) abandon(old *shardBox) {
	to := func(c *call) bool { return c.to == old }
	switch {
	case t.closed.Load() || !t.calls.any(to):
	case t.owners.answeredOf(old.shard) <= old.epoch: // only announced, and any user may announce
		t.open(true)
		t.abandonIn(askAgain, old)
	default:
		for _, c := range t.calls.takeIf(to) {
			c.decide(nil, outcome.Errorf(outcome.ErrNotOwner, "the owner of shard %d in epoch %d has not answered, and the shard has another owner now", old.shard, old.epoch).WithOutcome(outcome.MaybeRan))
		}
	}
}
