// Commands: messages with an ID, which stays the same in all tries

package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// command is what all tries of a message with an ID have in common, even if an Intercept makes them
// or the mapping of keys changes between them. It is zero for other messages.
type command struct {
	id    string
	first time.Time // when the first try was made
	known Outcome   // of all tries so far together
}

// name gives an envelope the command's ID. The first envelope names the command: Once makes
// another ID each time.
func (c *command) name(env *Envelope) {
	switch {
	case env.ID == "":
	case c.id == "":
		c.id, c.first = env.ID, time.Now()
	default:
		env.ID = c.id
		env.AgeMs += time.Since(c.first).Milliseconds() + 1
	}
}

// heard notes how a try has ended.
func (c *command) heard(err error) {
	if c.id != "" {
		c.known = worse(c.known, OutcomeOf(err))
	}
}

// repeats reports whether a try that may have run is followed by another one. It is not if the caller
// has gone or has no time left, after a panic, which would come again, for a command that was begun, because it
// never runs again, and if a right is missing, because that does not come back in time.
func (c *command) repeats(err error) bool {
	if c.id == "" {
		return false
	}
	switch OutcomeOf(err) {
	case MaybeRan:
		for _, e := range []error{context.Canceled, ErrEnvelopeExpired, ErrPanicked, ErrBegun, ErrNotPermitted} {
			if errors.Is(err, e) {
				return false
			}
		}
		return true
	case RanAndFailed:
		return errors.Is(err, ErrDeposed) // nothing was kept
	}
	return false
}

// amended is the last try's error with what is known about all tries: a refusal says nothing about
// an earlier try that may have run.
func (c *command) amended(err error) error {
	if err == nil || c.known < MaybeRan || OutcomeOf(err) == MaybeRan {
		return err
	}
	return withOutcome(err, c.known)
}

// withOutcome is err with another outcome. Another library may have made err.
func withOutcome(err error, o Outcome) error {
	if e, ok := err.(*Error); ok {
		return e.WithOutcome(o)
	}
	e := &Error{Code: outcome.CodeOf(err), Outcome: o, Message: err.Error()}
	return e.Wrapping(err)
}
