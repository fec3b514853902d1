// Answers that come after the turn, which keep their key

package host

import (
	"maps"
	"slices"

	"github.com/clstr-go/clstr/outcome"
)

// debts are the answers that a key owes. The mailbox's mu guards them.
type debts struct {
	open map[Call]struct{} // was handled, and not answered
	due  []Call            // a drain waits for these, and the key has yet to hear of it
}

// owes is called on the turn of a call that its handler has not answered: the key
// counts as busy until it is answered, or the call's time is up.
func (c *cell) owes(call Call) {
	b := &c.mailbox
	b.mu.Lock()
	if b.debts.open == nil {
		b.debts.open = map[Call]struct{}{}
	}
	b.debts.open[call] = struct{}{}
	b.mu.Unlock()
	call.AfterAnswer(func() { c.answered(call) })
	call.OnDrain(func() { c.drains(call) })
}

// answered is called when a call that was owed has ended. The host's bound may wait for a
// key that was busy for it alone: the key gets a turn, and the host looks at its end.
func (c *cell) answered(call Call) {
	b := &c.mailbox
	b.mu.Lock()
	delete(b.debts.open, call)
	none := len(b.debts.open) == 0
	if none {
		b.debts.open = nil // a map keeps its room
	}
	b.mu.Unlock()
	if none && c.shard.host.bound.isExceeded() {
		c.handOver(b.look())
	}
}

// breaks answers what an actor owes that has panicked: it has forgotten.
func (c *cell) breaks() {
	for _, call := range c.openCalls() {
		call.Fail(failure(outcome.ErrPanicked, "key %.64q owed the answer", c.key))
	}
}

// forgets answers what an incarnation owes that has ended. What has had no effect goes
// to the next one.
func (c *cell) forgets() {
	for _, call := range c.openCalls() {
		if !call.HandBack() {
			call.Fail(lostAnswer("key %.64q owed the answer", c.key))
		}
	}
}

func (c *cell) openCalls() []Call {
	c.mailbox.mu.Lock()
	defer c.mailbox.mu.Unlock()
	return slices.Collect(maps.Keys(c.mailbox.debts.open))
}

// drains gives the key a turn, before its mail, on which it hears that a drain waits
// for its answer.
func (c *cell) drains(call Call) {
	b := &c.mailbox
	b.mu.Lock()
	b.debts.due = append(b.debts.due, call)
	runs := b.schedule()
	b.mu.Unlock()
	c.handOver(runs)
}
